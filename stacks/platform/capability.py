"""What every capability of the platform is: a component whose children wait for what it waits for."""

from __future__ import annotations

import pulumi


class Capability(pulumi.ComponentResource):
    """A component of type `portolan:platform:KIND`.

    Pulumi orders what depends on a component after its children, but not its children after what the component
    depends on. `child` does the second, so that `depends_on` means the same in both directions.
    """

    def __init__(self, kind: str, name: str, opts: pulumi.ResourceOptions | None) -> None:
        super().__init__(f"portolan:platform:{kind}", name, None, opts)
        before = opts.depends_on if opts is not None else None
        self._before: tuple[pulumi.Resource, ...] = tuple(before) if isinstance(before, list | tuple) else ()

    def child(
        self,
        *after: pulumi.Resource,
        replace_on_changes: list[str] | None = None,
        delete_before_replace: bool | None = None,
    ) -> pulumi.ResourceOptions:
        """Return a child's options: after what the component waits for, and after `after`."""
        return pulumi.ResourceOptions(
            parent=self,
            depends_on=[*self._before, *after],
            replace_on_changes=replace_on_changes,
            delete_before_replace=delete_before_replace,
        )
