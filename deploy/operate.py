"""bin/berth, what an operator does by hand: commands of manage.py by their names, and what concerns the machine."""

import sys

from django.core.management import call_command, get_commands
from django.utils.module_loading import import_string

from deploy import environment, homes
from deploy.management import open_installation
from deploy.progress import Progress, main

RESTART = "restart-postgres"
USAGE = f"""usage: bin/berth COMMAND [ARGUMENT ...]

  {RESTART}    restart the PostgreSQL of the hosted databases; visitors wait meanwhile, and stay signed in
  vault PROJECT       the folder and key of its backups, for restic; --new begins another vault
  reconcile           compare rows with what exists, and mend what differs
  COMMAND             any command of manage.py: see bin/berth help"""


def operate() -> int:
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if arguments else 2
    home, progress = homes.find(), Progress()
    open_installation(home)
    name = arguments[0]
    if name == RESTART:
        with homes.alone(home), progress.step("restart of PostgreSQL"):
            restart = import_string("deploy.restart.restart_hosted")  # it needs rows, which need settings
            restart(home, environment.load(home), progress)
    elif name in get_commands():
        call_command(*arguments)
    else:
        print(f"bin/berth: there is no command {name!r}.\n\n{USAGE}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    main(operate)
