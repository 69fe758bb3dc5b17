#!/bin/sh
# The official entrypoint's order: options alone are valkey-server's, and only this command becomes another user.
set -e
if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then
    set -- valkey-server "$@"
fi
if [ "$1" = valkey-server ] && [ "$(id -u)" = 0 ]; then
    find . \! -user valkey -exec chown valkey '{}' +
    exec gosu valkey "$0" "$@"
fi
umask 0077
exec "$@"
