"""Running commands, timing them against each other, and saying whether what was promised holds."""
import os
import shutil
import statistics
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(HERE)
APUS = os.path.join(os.environ.get("APUS_BIN", os.path.join(REPOSITORY, "bin")), "apus")
FIXTURES = os.path.join(REPOSITORY, "rootfs-fixtures/out")


def call(arguments, **more):
    """Runs a command that has to succeed; answers its stdout."""
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)}: exit code {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


def timed(arguments, environment=None):
    """Milliseconds from the start of a command to its end."""
    with open(os.devnull, "r+b") as null, tempfile.TemporaryFile() as errors:
        begin = time.perf_counter()
        code = subprocess.call(arguments, stdin=null, stdout=null, stderr=errors, env=environment)
        taken = (time.perf_counter() - begin) * 1000
        if code != 0:
            errors.seek(0)
            text = errors.read().decode(errors="replace").strip()
            raise RuntimeError(f"{' '.join(arguments)}: exit code {code}: {text}")
    return taken


def contest(title, contenders, rounds, settle=0.0):
    """Runs every contender once a round, each round in another order; prints and answers the medians. `settle`:
    seconds before each run, so that nobody waits for what another contender's run left to be done."""
    samples = {name: [] for name in contenders}
    names = list(contenders)
    for name in names:  # once unmeasured: caches, networks, filters
        try:
            contenders[name]()
        except (RuntimeError, OSError) as problem:
            print(f"  {name}: left out, it does not run here: {problem}")
            del samples[name]
    names = list(samples)
    for round_number in range(rounds):
        shift = round_number % max(1, len(names))
        for name in names[shift:] + names[:shift]:
            time.sleep(settle)
            samples[name].append(contenders[name]())
    print(f"\n{title} ({rounds} interleaved runs, ms)")
    print(f"  {'':44}{'median':>9}{'p10':>9}{'p90':>9}")
    for name in names:
        ordered = sorted(samples[name])
        tenth = len(ordered) // 10
        print(f"  {name:44}{statistics.median(ordered):9.2f}{ordered[tenth]:9.2f}{ordered[-1 - tenth]:9.2f}")
    return {name: statistics.median(samples[name]) for name in names}


def goal(text, value, limit, unit, at_most=True):
    """One line that says whether what was promised holds."""
    met = value <= limit if at_most else value >= limit
    print(f"  goal: {text}: {value:.2f}{unit} ({'at most' if at_most else 'at least'} {limit}{unit}): "
          f"{'met' if met else 'NOT MET'}")


def compiled(source, target):
    """A C program of this directory."""
    call(["cc" if shutil.which("cc") else "clang", "-O2", "-o", target, os.path.join(HERE, source)])
    return target


def started(arguments, is_up, seconds=20):
    """A server, when it answers."""
    server = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(seconds * 10):
        if is_up():
            return server
        time.sleep(0.1)
    server.kill()
    raise RuntimeError(f"{arguments[0]} does not answer")
