import Support
import Testing

/// Services, as scripts in docker's words run them.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class ScenarioServiceTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    @Test func aWebServerWithAVolumeAndAHealthCheck() throws {
        try apus.expectScript(
            #"""
            docker volume create site
            page() { docker run --rm -v site:/www busybox sh -c "$1"; }
            page 'echo version 1 > /www/index.html'
            docker run -d --name web -p 8080:80 -v site:/www:ro --health-interval 100ms --health-retries 2 \
                --health-cmd "printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 1 127.0.0.1 80 | grep -q '200 OK'" \
                busybox httpd -f -p 80 -h /www > /dev/null
            eventually prints healthy health web
            fetch 8080/
            page 'echo version 2 > /www/index.html'
            fetch 8080/
            page 'mv /www/index.html /www/aside'
            eventually prints unhealthy health web
            docker ps --filter health=unhealthy --format '{{.Names}}'
            page 'mv /www/aside /www/index.html'
            eventually prints healthy health web
            docker rm -f web
            docker volume rm site
            """#, prints: ["site", "version 1", "version 2", "web", "web", "site"])
    }

    @Test(.enabled(if: Host.has(Host.fixture("small.tar")), "names need a resolver: Debian's"))
    func aPipelineOfThreeContainersThatFindEachOtherByName() throws {
        try apus.must("import", Host.fixture("small.tar"), "debian")
        try apus.expectScript(
            #"""
            docker network create line > /dev/null
            server='use IO::Socket::INET;
                $in = IO::Socket::INET->new(LocalPort => 9000, Listen => 5) or die; $from = $in->accept;'
            docker run -d --name source --network line debian bash -c '
                until exec 3<>/dev/tcp/worker/9000; do sleep 0.1; done 2> /dev/null
                for n in 1 2 3; do echo "line $n" >&3; done' > /dev/null
            docker run -d --name worker --network line debian perl -e "$server"'
                until ($to = IO::Socket::INET->new("store:9000")) { select undef, undef, undef, 0.1 }
                print {$to} uc($_) while <$from>' > /dev/null
            docker run -d --name store --network line -v result:/r debian perl -e "$server"'
                open F, ">", "/r/file" or die; print F $_ while <$from>' > /dev/null
            docker wait source worker store
            docker run --rm -v result:/r debian cat /r/file
            docker rm source worker store > /dev/null
            docker network rm line
            """#, prints: ["0", "0", "0", "LINE 1", "LINE 2", "LINE 3", "line"])
    }

    @Test func aPortIsAskedForAndFetched() throws {
        try apus.expectScript(
            #"""
            docker run -d --name web -P --expose 80 busybox sh -c \
                'mkdir /www; echo hello > /www/index.html; exec httpd -f -p 80 -h /www' > /dev/null
            port=$(docker port web 80 | head -n 1)
            eventually prints hello fetch "${port##*:}/"
            docker ps --format '{{.Ports}}' | grep -c -- "${port##*:}->80/tcp"
            docker restart -t 0 web
            port=$(docker port web 80 | head -n 1)
            eventually prints hello fetch "${port##*:}/"
            docker stop -t 0 web
            docker port web
            """#, prints: ["1", "web", "web"])
    }

    @Test func theAppStartsWhenItsDatabaseIsHealthy() throws {
        try apus.expectScript(
            #"""
            docker run -d --name db --health-cmd 'test -e /ready' --health-interval 50ms busybox sh -c \
                'sleep 0.5; touch /ready; exec nc -ll -p 5432 -e echo row' > /dev/null
            until [ "$(docker inspect --format '{{.State.Health.Status}}' db)" = healthy ]; do sleep 0.1; done
            address=$(docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' db)
            docker run --rm --add-host db:$address -e DB=$address busybox sh -c \
                'grep -c db$ /etc/hosts; nc -w 2 $DB 5432 < /dev/null'
            docker rm -f db
            """#, prints: ["1", "row", "db"])
    }

    @Test func aSidecarSharesNetworkAndProcesses() throws {
        try apus.expectScript(
            #"""
            docker run -d --init --name app busybox sh -c \
                'httpd -p 127.0.0.1:8080 -h /; echo inside > /secret; exec sleep 1000' > /dev/null
            eventually docker exec app test -e /secret
            docker run --rm --network container:app busybox sh -c \
                "printf 'GET /secret HTTP/1.0\r\n\r\n' | nc -w 2 127.0.0.1 8080 | tail -n 1"
            beside() { docker run --rm --pid container:app --network container:app busybox sh -c "$1"; }
            beside 'pidof httpd | wc -w; cat /proc/1/root/secret'
            beside 'kill $(pidof httpd)'
            ended() { ! docker exec app pidof httpd; }
            eventually ended > /dev/null
            docker rm -f app
            """#, prints: ["inside", "1", "inside", "app"])
    }

    @Test func aDeploymentIsRolledBackByRenaming() throws {
        try apus.expectScript(
            #"""
            serve() {
                docker run -d --name web -p 8080:80 busybox sh -c \
                    "mkdir /www; echo $1 > /www/index.html; exec httpd -f -p 80 -h /www" > /dev/null
            }
            serve one
            eventually prints one fetch 8080/
            docker rename web web-old
            docker stop -t 0 web-old > /dev/null
            serve two
            eventually prints two fetch 8080/
            docker rm -f web > /dev/null
            docker rename web-old web
            docker start web
            eventually prints one fetch 8080/
            docker ps -a --format '{{.Names}} {{.State}}'
            """#, prints: ["web", "web running"])
    }

    @Test func aWatcherStartsWhatHasDied() throws {
        try apus.expectScript(
            #"""
            mkfifo deaths
            docker events --since "$(date +%s)" --filter event=die --filter label=watched \
                --format '{{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}}' > deaths &
            watcher=$!
            docker run -d --name worker --label watched busybox sh -c \
                'echo run >> /runs; [ $(wc -l < /runs) -lt 3 ] || exec sleep 1000; exit 3' > /dev/null
            docker run -d --name other busybox false > /dev/null
            for death in 1 2; do
                read -r name code
                echo "$name died with $code"
                docker start "$name" > /dev/null
            done < deaths
            kill $watcher
            eventually prints '3 /runs' docker exec worker wc -l /runs
            docker inspect -f '{{.State.Running}}' worker
            """#, prints: ["worker died with 3", "worker died with 3", "true"])
    }

    @Test func aPolicyIsGivenLaterAndHoldsAtBoot() throws {
        try apus.expectScript(
            #"""
            docker run -d --name app busybox sleep 1000 > /dev/null
            docker update --restart always app
            kill -9 "$(docker inspect -f '{{.State.Pid}}' app)"
            eventually prints '1 true' docker inspect -f '{{.RestartCount}} {{.State.Running}}' app
            docker stop -t 0 app
            docker boot
            docker ps --format '{{.Names}}'
            docker update --restart no app
            docker stop -t 0 app
            docker boot
            docker ps -q
            """#, prints: ["app", "app", "app", "app", "app", "app"])
    }

    @Test func linesSinceARestartAreAskedFor() throws {
        try apus.expectScript(
            #"""
            docker run -d --name app busybox sh -c \
                'echo begin; trap "echo end; exit 0" TERM; while :; do sleep 0.05; done' > /dev/null
            eventually prints begin docker logs app
            docker restart app
            eventually prints $'begin\nend\nbegin' docker logs app
            docker logs --since "$(docker inspect -f '{{.State.StartedAt}}' app)" app
            docker logs --since 10m --tail 2 app
            docker logs -t app | cut -c 1-3,5,8,11,14,17,20 | sort -u
            """#, prints: ["app", "begin", "end", "begin", "202--T::."])
    }

    /// A person looks into a running service, changes it, and leaves.
    @Test func aServiceIsDebuggedInteractively() throws {
        let service = "echo level=info > /conf; trap 'cat /conf' HUP; cat /conf; while :; do sleep 0.05; done"
        try apus.must("run", "-d", "--name", "app", "-e", "STAGE=live", "busybox", "sh", "-c", service)
        try expectSoon { try self.apus("logs", "app").text == "level=info" }
        let session = try apus.terminal("exec", "-it", "-e", "PS1=debug> ", "-w", "/tmp", "app", "sh")
        try session.expect("debug> ")
        session.send("pwd; echo stage $STAGE; tty\n")
        for part in ["/tmp", "stage live", "/dev/pts/", "debug> "] { try session.expect(part) }
        session.send("ps -o pid,args | head -n 2\n")
        try session.expect("1 sh -c echo level=info")
        try session.expect("debug> ")
        session.send("cat\n")
        pause(0.3)
        session.send("typed\n")
        try session.expect("typed\r\ntyped")
        session.send(bytes: [3])
        try session.expect("debug> ")
        session.send("sed -i s/info/debug/ /conf; kill -HUP 1; exit 4\n")
        #expect(session.wait() == 4)
        try expectSoon { try self.apus("logs", "app").lines == ["level=info", "level=debug"] }
        #expect(try apus.must("top", "app").contains("level=info"))
    }
}
