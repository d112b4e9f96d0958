"""What the images of the lab start with."""

REDIS = """\
#!/bin/sh
# REDIS_APPENDONLY=yes keeps every write in /data
set -e
if [ "$1" = redis-server ]; then
    shift
    chown -R redis:redis /data
    cd /data
    exec setpriv --reuid=redis --regid=redis --init-groups redis-server --bind 0.0.0.0 --protected-mode no \\
        --dir /data --appendonly "${REDIS_APPENDONLY:-no}" "$@"
fi
exec "$@"
"""

POSTGRES = """\
#!/bin/sh
# The first start makes a cluster in $PGDATA; without a $POSTGRES_PASSWORD for the superuser everyone is trusted
set -e
bin=$(echo /usr/lib/postgresql/*/bin)
as_postgres() {
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$@"
}
if [ "$1" != postgres ]; then
    exec "$@"
fi
shift
mkdir -p "$PGDATA" /run/postgresql
chown -R postgres:postgres "$PGDATA" /run/postgresql
chmod 700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    method=trust
    password=/run/postgresql/password
    (umask 077 && printf '%s\\n' "${POSTGRES_PASSWORD:-trusted}" >"$password")
    chown postgres "$password"
    [ -z "$POSTGRES_PASSWORD" ] || method=scram-sha-256
    (as_postgres "$bin/initdb" --pgdata="$PGDATA" --encoding=UTF8 --locale=C.UTF-8 --pwfile="$password" \\
        --auth-local=trust --auth-host="$method")
    rm "$password"
    echo "host all all all $method" >>"$PGDATA/pg_hba.conf"
fi
as_postgres "$bin/postgres" -D "$PGDATA" -c listen_addresses='*' -c jit=off "$@"
"""
