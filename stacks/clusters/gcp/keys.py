"""The site's own key: for disks, secrets, objects, files, images and logs; it turns over every quarter."""

from __future__ import annotations

import pulumi
import pulumi_gcp.kms as kms

from stacks.clusters.rented import RentedArgs

ROTATION = "7776000s"  # 90 days
# Google's own accounts that read and write with the key (Cloud KMS, service agents, 2025).
SERVICES = {
    "cluster": "container-engine-robot.iam.gserviceaccount.com",
    "disks": "compute-system.iam.gserviceaccount.com",
    "objects": "gs-project-accounts.iam.gserviceaccount.com",
    "images": "gcp-sa-artifactregistry.iam.gserviceaccount.com",
    "files": "cloud-filer.iam.gserviceaccount.com",
    "logs": "gcp-sa-logging.iam.gserviceaccount.com",
}


class Keys(pulumi.ComponentResource):
    """The key ring and the key. Output `key_id`; `may_use` must stand before anything is encrypted."""

    def __init__(
        self,
        name: str,
        args: RentedArgs,
        project_number: pulumi.Output[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("portolan:gcp:Keys", name, None, opts)
        kept = pulumi.ResourceOptions(parent=self, protect=True)
        ring = kms.KeyRing(name, name=f"portolan-{args.name}", location=args.plan.region, opts=kept)
        key = kms.CryptoKey(
            name,
            name="data",
            key_ring=ring.id,
            purpose="ENCRYPT_DECRYPT",
            rotation_period=ROTATION,
            version_template=kms.CryptoKeyVersionTemplateArgs(
                algorithm="GOOGLE_SYMMETRIC_ENCRYPTION", protection_level="HSM"
            ),
            labels=args.labels,
            opts=kept,
        )
        self.may_use = [
            kms.CryptoKeyIAMMember(
                f"key-{one}",
                crypto_key_id=key.id,
                role="roles/cloudkms.cryptoKeyEncrypterDecrypter",
                member=project_number.apply(
                    lambda number, domain=domain: f"serviceAccount:service-{number}@{domain}"  # type: ignore[misc]
                ),
                opts=pulumi.ResourceOptions(parent=self),
            )
            for one, domain in SERVICES.items()
        ]
        self.key_id = key.id
        self.register_outputs({"key_id": self.key_id})
