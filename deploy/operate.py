"""bin/berth, what an operator does by hand: commands of manage.py by their names, and what concerns the machine."""

import sys

from django.core.management import CommandError, call_command, get_commands
from django.utils.module_loading import import_string

from deploy import environment, homes, restoreself, up
from deploy.management import open_installation
from deploy.progress import Progress, main

RESTART, RESTORE = "restart-postgres", "restore-self"
USAGE = f"""usage: bin/berth COMMAND [ARGUMENT ...]

From anywhere, with a token (see bin/berth COMMAND --help):
  login URL           remember a portal and a token for it
  projects, builds PROJECT, push status PROJECT COMMIT
  deploy PROJECT BRANCH, rollback PROJECT [BUILD], logs [-f] PROJECT [BRANCH], backup PROJECT
  project make|delete|undo, domain list|add|check|remove, token list|make|revoke

On Berth's own machine, as root:
  {RESTART}    restart the PostgreSQL of the hosted databases; visitors wait meanwhile, and stay signed in
  vault PROJECT       the folder and key of its backups, for restic; --new begins another vault
  place ...           where copies of all backups go: list, add, try, remove
  backup-self         store the installation itself at these places now; it is done every day too
  {RESTORE} ADDRESS
                      everything back on an empty machine; with BERTH_RECOVERY_KEY set
  recover PROJECT     bring its production back once more, where that failed after {RESTORE}
  subscription ...    codes that let projects go on without a trial's limits: list, add, end
  runtime ...         frozen images of Odoo: list, freeze SERIES [--urgent]
  audit verify        whether the audit log is as it was written, here and at these places
  remove-project ...  a deleted project whose data stays, as its production's last backup isn't proven
  reconcile           compare rows with what exists, and mend what differs
  COMMAND             any command of manage.py: see bin/berth help"""


def operate() -> int:
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if arguments else 2
    home, progress = homes.find(), Progress()
    name = arguments[0].replace("-", "_")
    if arguments[0] == RESTORE:
        restoreself.restore(arguments[1:], progress)
        return up.up([])
    open_installation(home)
    if arguments[0] == RESTART:
        with homes.alone(home), progress.step("restart of PostgreSQL"):
            restart = import_string("deploy.restart.restart_hosted")  # it needs rows, which need settings
            restart(home, environment.load(home), progress)
    elif name in get_commands():
        try:
            call_command(name, *arguments[1:])
        except CommandError as error:
            print(f"bin/berth {arguments[0]}: {error}", file=sys.stderr)
            return 1
    else:
        print(f"bin/berth: there is no command {arguments[0]!r}.\n\n{USAGE}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    main(operate)
