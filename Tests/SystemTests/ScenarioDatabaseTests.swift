import Support
import Testing

/// Debian's PostgreSQL in an image, as the usual image of it behaves: an init script, a volume, a health check.
@Suite(.serialized)
struct ScenarioDatabaseTests {
    private static let dockerfile = #"""
        FROM debian:12
        RUN apt-get update && apt-get install -y --no-install-recommends postgresql \
            && mkdir /data && chown postgres /data
        COPY entrypoint /usr/local/bin/
        COPY init.sql /init.d/
        VOLUME /data
        USER postgres
        STOPSIGNAL SIGINT
        HEALTHCHECK --interval=200ms --timeout=5s CMD ["psql", "-h", "/tmp", "-c", "select 1", "app"]
        EXPOSE 5432
        ENTRYPOINT ["entrypoint"]
        """#
    private static let entrypoint = #"""
        #!/bin/bash
        set -e
        PATH=$PATH:$(echo /usr/lib/postgresql/*/bin)
        if [ ! -s /data/PG_VERSION ]; then
            initdb -D /data --auth trust
            echo 'host all all all trust' >> /data/pg_hba.conf
            pg_ctl -D /data -o '-c listen_addresses= -c unix_socket_directories=/tmp' -w start
            createdb -h /tmp app
            for file in /init.d/*.sql; do psql -h /tmp -q -f "$file" app; done
            pg_ctl -D /data -m fast -w stop
        fi
        exec postgres -D /data -c 'listen_addresses=*' -c unix_socket_directories=/tmp
        """#

    @Test(.enabled(if: PackageTests.obstacle == nil, Comment(rawValue: PackageTests.obstacle ?? "ready")))
    func aDatabaseKeepsItsRows() throws { try PackageTests.withDebian(keepsItsRows) }

    private func keepsItsRows(_ apus: Engine) throws {
        try apus.write("db/Dockerfile", Self.dockerfile)
        try apus.write("db/entrypoint", Self.entrypoint, mode: 0o755)
        try apus.write("db/init.sql", "create table rows(n int); insert into rows values (1);\n")
        try apus.expectScript(
            #"""
            docker build -t postgres db > built 2>&1 || { tail built; exit 1; }
            docker network create back > /dev/null
            docker run -d --name db --network back -v rows:/data postgres > /dev/null
            ask() { docker exec db psql -h /tmp -At -c "$1" app; }
            up() { prints healthy health db && prints 1 ask 'select 1'; }
            eventually up || { docker logs db; exit 1; }
            ask 'select count(*) from rows'
            docker run --rm --network back --entrypoint psql postgres -h db -At -c 'insert into rows values (2)' app
            docker restart db
            eventually up
            ask 'select sum(n) from rows'
            kill -9 "$(awk '/^PPid/ { print $2 }' "/proc/$(docker inspect -f '{{.State.Pid}}' db)/status")"
            ask 'insert into rows values (3)'
            docker ps --format '{{.Names}} {{.State}}'
            docker kill db
            docker start db
            eventually up
            ask 'select sum(n) from rows'
            docker stop db
            docker inspect -f '{{.State.ExitCode}}' db
            docker rm db
            docker run -d --name db -v rows:/data postgres > /dev/null
            eventually up
            ask 'select count(*) from rows'
            docker rm -f db
            docker network rm back
            """#,
            prints: [
                "1", "INSERT 0 1", "db", "3", "INSERT 0 1", "db running", "db", "db", "6", "db", "0", "db",
                "3", "db", "back",
            ], timeout: 300)
    }
}
