"""From site, plan and hosts to Ansible: the dynamic inventory, and the run of the playbook."""
