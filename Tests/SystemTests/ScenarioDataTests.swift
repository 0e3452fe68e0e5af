import Support
import Testing

/// Files and volumes, as scripts in docker's words treat them.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class ScenarioDataTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    @Test func aConfigurationIsCopiedInBeforeTheStart() throws {
        try apus.expectScript(
            #"""
            mkdir site; echo from the host > site/index.html; echo 'H:/site' > httpd.conf
            docker create --name app -p 8080:80 busybox httpd -f -p 80 -c /etc/httpd.conf > /dev/null
            docker cp httpd.conf app:/etc/httpd.conf
            docker cp site app:/
            docker start app
            eventually prints 'from the host' fetch 8080/
            docker exec app sh -c 'echo from the container > /site/made'
            docker cp app:/site/made - | tar -xO
            docker cp app:/site got
            cat got/made got/index.html
            fetch 8080/made
            """#,
            prints: [
                "app", "from the container", "from the container", "from the host", "from the container",
            ])
    }

    @Test func aVolumeWithoutANameIsBackedUpByAnother() throws {
        try apus.expectScript(
            #"""
            mkdir backup
            docker run -d --name db -v /var/lib/db busybox sleep 1000 > /dev/null
            docker exec db sh -c 'echo precious > /var/lib/db/table'
            docker run --rm --volumes-from db -v "$PWD/backup:/backup" busybox \
                tar -czf /backup/db.tgz -C /var/lib db
            docker rm -fv db
            docker volume ls -q | wc -l
            docker run -d --name db -v /var/lib/db busybox sleep 1000 > /dev/null
            docker run --rm --volumes-from db -v "$PWD/backup:/backup:ro" busybox \
                tar -xzf /backup/db.tgz -C /var/lib
            docker exec db cat /var/lib/db/table
            docker volume ls -q | wc -l
            """#, prints: ["db", "0", "precious", "1"])
    }

    @Test func dataMovesFromContainerToContainer() throws {
        try apus.expectScript(
            #"""
            docker run -d --name old -v old-data:/data busybox sleep 1000 > /dev/null
            docker run -d --name new -v new-data:/data busybox sleep 1000 > /dev/null
            docker exec old sh -c 'mkdir /data/d; echo one > /data/d/f; ln -s f /data/d/l; chown 7:8 /data/d/f'
            docker exec old sh -c 'head -c 3000000 /dev/zero > /data/big'
            docker exec old tar -cf - -C /data . | docker exec -i new tar -xpf - -C /data
            docker exec new sh -c 'cat /data/d/l; stat -c "%u %g" /data/d/f; wc -c < /data/big'
            docker exec old sh -c 'echo two > /data/d/g'
            docker cp old:/data/d - | docker cp - new:/data
            docker exec new cat /data/d/g
            docker rm -f old
            docker volume rm old-data
            """#, prints: ["one", "7 8", "3000000", "two", "old", "old-data"])
    }

    @Test func anInitContainerPreparesWhatTheAppReads() throws {
        try apus.expectScript(
            #"""
            docker run --rm -v shared:/data busybox sh -c 'echo key > /data/key; chmod 400 /data/key'
            docker run --rm -v shared:/data busybox chown 1000 /data/key
            app() { docker run --rm -u "$1" -v shared:/data:ro busybox sh -c "$2" 2>&1; }
            app 1000 'cat /data/key; touch /data/x 2> /dev/null || echo read-only'
            app 1001 'cat /data/key' | grep -c 'Permission denied' || true
            docker volume inspect -f '{{.Name}}' shared
            """#, prints: ["key", "read-only", "1", "shared"])
    }

    @Test func aJobRunsAgainAndAgain() throws {
        try apus.expectScript(
            #"""
            for round in 1 2 3 4 5; do
                docker run --rm -v jobs:/j busybox sh -c 'echo run >> /j/log; wc -l < /j/log'
            done
            docker ps -aq | wc -l
            docker volume ls -q
            """#, prints: ["1", "2", "3", "4", "5", "0", "jobs"])
    }

    @Test func changesAreLookedAtAndKept() throws {
        try apus.expectScript(
            #"""
            docker run --name work busybox sh -c 'echo new > /etc/made; mkdir /tool; rm /etc/shells'
            docker diff work | sort
            docker commit -a me -m tools work tool > /dev/null
            docker run --name again tool sh -c 'cat /etc/made; ls -d /tool; test -e /etc/shells || echo gone'
            docker diff again
            docker image inspect -f '{{.Author}} {{.Comment}}' tool
            docker history --format '{{.Comment}}' tool | head -n 1
            """#,
            prints: [
                "A /etc/made", "A /tool", "C /etc", "D /etc/shells", "new", "/tool", "gone", "me tools",
                "tools",
            ])
    }

    @Test func anArtifactIsTakenOutOfABuild() throws {
        try apus.expectScript(
            #"""
            mkdir src; echo 'int main;' > src/main.c
            cat > src/Dockerfile <<'EOF'
            FROM busybox AS build
            WORKDIR /src
            COPY main.c .
            RUN mkdir /out && md5sum main.c > /out/artifact
            FROM scratch
            COPY --from=build /out/artifact /artifact
            EOF
            id=$(docker create "$(docker build -q src)" none)
            docker cp "$id:/artifact" .
            docker rm "$id" > /dev/null
            (cd src; md5sum -c ../artifact)
            """#, prints: ["main.c: OK"])
    }

    @Test func bytesGoThroughAChainOfContainers() throws {
        try apus.expectScript(
            #"""
            each() { docker run --rm -i busybox "$@"; }
            each seq 1 50000 < /dev/null | each sort -rn | each sed -n 1p
            head -c 5000000 /dev/urandom > bytes
            [ "$(docker run --rm -i busybox md5sum < bytes)" = "$(md5sum < bytes)" ]
            docker run --rm -i busybox cat < bytes | cmp - bytes
            """#, prints: ["50000"])
    }
}
