#!/bin/sh
# As the official image does: the database server comes from HOST, PORT, USER and PASSWORD, unless the command says.
set -eu
server="--db_host ${HOST:-db} --db_port ${PORT:-5432} --db_user ${USER:-odoo} --db_password ${PASSWORD:-odoo}"
case "${1:---}" in
    odoo)
        shift
        case "${1:-}" in
            scaffold | neutralize | db | shell) exec odoo "$@" ;;
        esac
        # shellcheck disable=SC2086  # four options and their values, none of which holds a space
        exec odoo "$@" $server
        ;;
    --) shift && exec odoo "$@" $server ;;
    -*) exec odoo "$@" $server ;;
    *) exec "$@" ;;
esac
