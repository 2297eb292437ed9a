"""A tour of secrettool over a copy of keys-example/: every step runs the command line and its result is checked.

Ends with status 1 at the first result that is not as it should be. Needs nothing but secrettool itself; the real sops, and kustomize or kubectl, take
part when they are on PATH.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

ENVELOPE = re.compile(rb"ENC\[[^]]*\]")
EXAMPLE = Path(__file__).resolve().parent.parent / "keys-example"
MEMORY = "/dev/shm"
PRODUCTION = "clusters/production"
DATABASE = f"{PRODUCTION}/database-secret.yaml"
WEBHOOK = f"{PRODUCTION}/webhook-secret.yaml"
QUEUE = "apps/overlays/production/secrets/queue.json"
TO_ENCRYPT = [
    DATABASE,
    f"{PRODUCTION}/mail-secret.yaml",
    "apps/overlays/production/secrets/app.env",
    "apps/overlays/production/secrets/ingest.ini",
    QUEUE,
    "apps/overlays/staging/secrets/app.env",
]
WEBHOOK_PLAIN = """\
apiVersion: v1
kind: Secret
metadata:
    name: shop-webhook
    namespace: shop
stringData:
    # agreed with the payment provider
    signing-key: example-signing-key
    retries: "3"
"""
PAYMENT = "apps/overlays/production/payment-placeholder.yaml"
DEPLOYMENT = "apps/base/deployment.yaml"
PAYMENT_TOKEN = "pay_example_1"
SEARCH_KEY = "search_example_1"
EDITOR = """\
import sys
path = sys.argv[1]
text = open(path, newline="").read()
open(path, "w", newline="").write(text.replace("pool_size=10", "pool_size=20"))
"""


def fail(message: str) -> NoReturn:
    """End the tour."""
    sys.exit(f"\ndemo: FAILED: {message}")


def check(good: bool, promise: str) -> None:
    """Print a promise that was kept, or end the tour."""
    if not good:
        fail(promise)
    print(f"   ok  {promise}")


class Tour:
    """The copy of the example and the person who works in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        script = Path(sys.executable).with_name("secrettool")
        self.program = [str(script)] if script.exists() else [sys.executable, "-m", "secrettool"]
        # No key of the person at the keyboard, only the throwaway one.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SOPS_")}
        if not script.exists():
            kept["PYTHONPATH"] = str(EXAMPLE.parent)
        self.environment = kept | {"XDG_CONFIG_HOME": str(root / ".config"), "NO_COLOR": "1"}
        self.said = ""
        self.no_memory = [] if os.access(MEMORY, os.W_OK) else ["--allow-disk"]

    def run(self, *arguments: str, status: int = 0, quiet: bool = False, who: str = "alice", editor: str = "", more: Mapping[str, str] = {}) -> bytes:
        """Run secrettool in the copy, show the command, and give back what it printed; `said` is what it said on stderr."""
        if not quiet:
            print(f"   $ secrettool {shlex.join(arguments)}")
        environment = self.environment | {"SOPS_AGE_KEY_FILE": str(self.root / f"keys/{who}.agekey"), "EDITOR": editor, **more}
        done = subprocess.run([*self.program, *arguments], cwd=self.root, env=environment, capture_output=True, check=False)
        if done.returncode != status:
            fail(f"`secrettool {shlex.join(arguments)}` ended with {done.returncode}, not {status}:\n{done.stderr.decode()}")
        self.said = done.stderr.decode()
        return done.stdout

    def read(self, name: str) -> bytes:
        """Bytes of a file of the copy."""
        return (self.root / name).read_bytes()


def heading(text: str) -> None:
    """Announce a step."""
    print(f"\n{text}")


def changed_lines(old: bytes, new: bytes) -> list[str]:
    """Removed and added lines, each with its sign."""
    lines = difflib.unified_diff(old.decode().splitlines(), new.decode().splitlines(), n=0, lineterm="")
    return [line for line in lines if line[:3] not in ("---", "+++") and not line.startswith("@@")]


def body(text: bytes) -> bytes:
    """The document without the section that sops appends."""
    return text.partition(b"\nsops:")[0]


def short(line: str) -> str:
    """A line as wide as a terminal."""
    return line if len(line) <= 100 else f"{line[:97]}..."


def show_rule(tour: Tour) -> None:
    """Which rule decides about a file."""
    heading("1. Which rule of .sops.yaml applies?")
    for line in tour.run("config", "explain", DATABASE).decode().splitlines():
        print(f"     {short(line)}")


def encrypt_everything(tour: Tour) -> None:
    """Encrypt in place, and show that nothing but the values changed."""
    heading("2. Encrypt every Secret in place")
    originals = {name: tour.read(name) for name in TO_ENCRYPT}
    tour.run("encrypt", "-i", "--recursive", ".")
    print(f"\n   What git would show of {DATABASE}, without the sops section:\n")
    changes = changed_lines(originals[DATABASE], body(tour.read(DATABASE)))
    for line in changes:
        print(f"     {short(line)}")
    print()
    check(all("ENC[AES256_GCM,data:" in line for line in changes if line.startswith("+")), "only values and comments inside stringData changed")
    check(not any(word in b"".join(map(tour.read, TO_ENCRYPT)) for word in (b"not-a-real-password", b"example-")), "no value is left in any file")

    heading("3. Decrypt: byte for byte what it was")
    for name, original in originals.items():
        check(tour.run("decrypt", name, quiet=True) == original, name)


def change_values(tour: Tour) -> None:
    """Change single values and see that all others keep their ciphertext."""
    heading("4. Change one value")
    before = tour.read(DATABASE)
    tour.run("set", DATABASE, '["stringData"]["password"]', '"another-example"')
    changes = changed_lines(body(before), body(tour.read(DATABASE)))
    check(len(changes) == 2 and all("password:" in line for line in changes), "one line differs, every other ciphertext stayed")
    check(b'    password: "another-example"   # at most' in tour.run("decrypt", DATABASE, quiet=True), "its quotes and its comment stayed")

    heading("5. Edit in an editor (here a script that changes pool_size)")
    before = tour.read(DATABASE)
    script = tour.root / ".editor.py"
    script.write_text(EDITOR)
    tour.run("edit", *tour.no_memory, DATABASE, editor=shlex.join([sys.executable, str(script)]))
    changes = changed_lines(body(before), body(tour.read(DATABASE)))
    check(len(changes) == 2 and all("ENC[" in line for line in changes), "the new text is encrypted, every other ciphertext stayed")
    check(b"pool_size=20\n        timeout=5s" in tour.run("decrypt", DATABASE, quiet=True), "the folded block kept its lines")


def change_keys(tour: Tour) -> None:
    """A new data key, and a new recipient."""
    heading("6. Rotate the data key")
    before, plain = tour.read(QUEUE), tour.run("decrypt", QUEUE, quiet=True)
    tour.run("rotate", "-i", QUEUE)
    check(tour.read(QUEUE) != before and tour.run("decrypt", QUEUE, quiet=True) == plain, "new ciphertext, same plain text")

    heading("7. Let the pipeline read the production files too")
    tour.run("decrypt", QUEUE, status=128, who="ci")
    check(True, "the key of ci does not open it yet (status 128)")
    config = tour.root / ".sops.yaml"
    alice, ci = (
        next(line.split()[-1] for line in tour.read(f"keys/{name}.agekey").decode().splitlines() if "public key" in line) for name in ("alice", "ci")
    )
    config.write_text(config.read_text().replace(f"    age: {alice}\n", f"    age: {alice},{ci}\n"))
    sealed = ENVELOPE.findall(tour.read(QUEUE))
    tour.run("verify", QUEUE, status=1)
    check(True, "verify notices that the file has not the keys of its rule (status 1)")
    tour.run("updatekeys", "-y", "--recursive", "apps")
    check(tour.run("decrypt", QUEUE, quiet=True, who="ci") == plain, "now it does")
    check(ENVELOPE.findall(tour.read(QUEUE)) == sealed, "no value was encrypted again")


def verify(tour: Tour) -> None:
    """Intact files pass, a changed one does not."""
    heading("8. Verify without printing anything")
    tour.run("verify", "--recursive", ".")
    check(True, "every file is intact and sealed for the keys of its rule")
    good = tour.read(WEBHOOK)
    (tour.root / WEBHOOK).write_bytes(good.replace(b"namespace: shop", b"namespace: test"))
    tour.run("verify", WEBHOOK, status=51)
    check(True, "one changed word outside the encrypted part is noticed (status 51)")
    (tour.root / WEBHOOK).write_bytes(good)


def interchange(tour: Tour) -> None:
    """Files go both ways between secrettool and sops."""
    heading("9. Interchange with sops")
    check(tour.run("decrypt", WEBHOOK) == WEBHOOK_PLAIN.encode(), "a file written by sops 3.13 opens")
    sops = shutil.which("sops")
    if sops is None:
        print("       (sops itself is not on PATH: the other direction is not shown)")
        return
    environment = tour.environment | {"SOPS_AGE_KEY_FILE": str(tour.root / "keys/alice.agekey")}
    for name in TO_ENCRYPT:
        done = subprocess.run([sops, "decrypt", name], cwd=tour.root, env=environment, capture_output=True, check=False)
        check(done.returncode == 0, f"sops opens {name}")


def decrypt_at_apply(tour: Tour) -> None:
    """What goes into a cluster: built, decrypted in memory, and nothing of it when something is wrong."""
    heading("10. Decrypt at apply: from the folder to the objects, as Flux does it")
    build = ["hook", "build", *tour.no_memory, "--root", ".", PRODUCTION]
    expected = 10
    if not (shutil.which("kustomize") or shutil.which("kubectl")):
        print("       (neither kustomize nor kubectl is on PATH: one file of manifests instead of the overlay)")
        build[-1], expected = DATABASE, 1
    else:
        check(tour.run(*build, status=5) == b"" and tour.said.count("HK152") == 2, "two Secrets hold a placeholder: nothing is printed (status 5)")
        build.append("--allow-placeholders")
    before = {path: path.read_bytes() for path in tour.root.rglob("*") if path.is_file()}
    text = tour.run(*build)
    check(text.count(b"\nkind: ") == expected and b"ENC[" not in text, f"{expected} objects, no ciphertext in them" if expected > 1 else "decrypted")
    check(tour.run(*build, quiet=True) == text, "the same bytes a second time")
    check(all(path.read_bytes() == data for path, data in before.items()), "no file was touched: what kustomize reads decrypted lay in memory")
    marked = tour.run(*build, "--no-keys", who="nobody")
    check(b"REPLACE_ME_NO_KEY" in marked and b"another-example" not in marked, "without any key: markers where values would be, for a review")


def guard(tour: Tour) -> None:
    """What must not reach a cluster does not."""
    heading("11. The guard: a patch dropped the sops section, and the ciphertext would reach the cluster")
    (tour.root / "broken.yaml").write_bytes(body(tour.read(DATABASE)) + b"\n")
    tour.run("hook", "guard", "broken.yaml", status=5)
    for line in tour.said.splitlines():
        print(f"     {short(line)}")
    check(tour.said.count("HK150") == 5, "five values are ciphertext: refused (status 5)")
    tour.run("hook", "build", "broken.yaml", status=5)
    check(True, "the build refuses it too")


def look_at_placeholders(tour: Tour) -> None:
    """What will go wrong with them, before anything is applied."""
    heading("12. Placeholders: what will go wrong?")
    tour.run("check", ".")
    check("0 errors, 0 warnings" in tour.said, "nothing: the map in .secrettool/patch.yaml fills each, and Flux leaves them alone")
    manifest = tour.read(PAYMENT)
    (tour.root / PAYMENT).write_bytes(manifest.replace(b"  token: REPLACE_ME\n", b"  token: REPLACE_ME\n  webhook: REPLACE_ME\n"))
    show(tour.run("check", "apps", status=5))
    (tour.root / PAYMENT).write_bytes(manifest)
    check(True, "another placeholder, which nobody fills, is found without any key or cluster (status 5)")


def fill_placeholders(tour: Tour) -> None:
    """From the environment into a folder that stands for a cluster."""
    heading("13. Fill the placeholders, here in a folder that stands for a cluster")
    cluster = tour.root.parent / "cluster"
    cluster.mkdir()
    # What Flux has created. The other Secret it never creates.
    shutil.copy(tour.root / PAYMENT, cluster)
    (cluster / "shop.yaml").write_bytes(tour.read(DEPLOYMENT).replace(b"  name: shop\n", b"  name: shop\n  namespace: shop\n", 1))
    patch = ["patch", "--all", "--manifests", ".", "--folder", "../cluster"]
    values = {"PAYMENT_TOKEN": PAYMENT_TOKEN, "SEARCH_API_KEY": SEARCH_KEY}
    before = contents(cluster)
    tour.run(*patch, "--plan", status=3)
    check(tour.run(*patch, "--plan", status=3, quiet=True).count(b"VL01") == 2, "two values are missing: it says which variables (status 3)")
    show(tour.run(*patch, "--plan", more=values))
    check(contents(cluster) == before, "a plan writes nothing")
    said = tour.run(*patch, more=values)
    show(said)
    filled = b"".join(contents(cluster).values())
    check(b"REPLACE_ME" not in filled and PAYMENT_TOKEN.encode() in filled, "one Secret is filled, one is created from its manifest")
    check(filled.count(b"kustomize.toolkit.fluxcd.io/reconcile: disabled") == 2, "and annotated in the same request, so that Flux leaves them alone")
    check(PAYMENT_TOKEN.encode() not in said and SEARCH_KEY.encode() not in said, "no value was printed")

    heading("14. Again: nothing to do")
    before = contents(cluster)
    show(tour.run(*patch, more=values))
    check(contents(cluster) == before, "no file was touched")

    heading("15. Somebody changes a value by hand")
    path = cluster / Path(PAYMENT).name
    path.write_bytes(path.read_bytes().replace(PAYMENT_TOKEN.encode(), b"changed-by-hand"))
    show(tour.run("patch", "drift", *patch[1:], status=6, more=values))
    check(True, "drift finds it (status 6)")
    tour.run(*patch, more=values)
    check(PAYMENT_TOKEN.encode() in path.read_bytes(), "a run repairs it")


def render_into_memory(tour: Tour) -> None:
    """What the sidecar does in a pod: files in a memory volume, swapped as a whole."""
    heading("16. The sidecar: the decrypted files of a pod, in memory")
    target = tour.root.parent / "files"
    run = ["sidecar", "run", "--once", "--mode", "render", *tour.no_memory, "--target", "../files", "--age-key-file", "keys/alice.agekey"]
    if shutil.which("kustomize") or shutil.which("kubectl"):
        source = ["--source", ".", "--path", PRODUCTION, "--allow-placeholders"]
    else:
        print("       (neither kustomize nor kubectl is on PATH: two manifests instead of the overlay)")
        (tour.root / "manifests").mkdir()
        for name in (DATABASE, WEBHOOK):
            shutil.copy(tour.root / name, tour.root / "manifests")
        source = ["--source", "manifests"]
    tour.run(*run, *source)
    for path in sorted(rendered(target)):
        print(f"     {path}")
    check(rendered(target)["shop/shop-webhook/signing-key"] == b"example-signing-key", "a file for each entry of each Secret")
    state = os.readlink(target / "..data")
    tour.run(*run, *source)
    check(os.readlink(target / "..data") == state, "a second pass finds everything in place and touches nothing")

    webhook = tour.root / (WEBHOOK if "." in source else "manifests/webhook-secret.yaml")
    good = webhook.read_bytes()
    webhook.write_bytes(good.replace(b"namespace: shop", b"namespace: test"))
    tour.run(*run, *source, status=7)
    check(os.readlink(target / "..data") == state, "somebody changed a sealed file: the pass fails (status 7), and the last good files stay")
    webhook.write_bytes(good)


def rendered(target: Path) -> dict[str, bytes]:
    """The files that an application sees."""
    data = target / "..data"
    return {str(path.relative_to(data)): path.read_bytes() for path in data.rglob("*") if path.is_file()}


def show(text: bytes) -> None:
    """Lines that a command printed."""
    for line in text.decode().splitlines():
        print(f"     {short(line)}")


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file below a folder."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def main() -> None:
    """Copy the example to memory where there is such a place, and walk through it."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    folder = Path(tempfile.mkdtemp(prefix="secrettool-demo-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
    try:
        root = folder / "gitops"
        shutil.copytree(EXAMPLE, root)
        tour = Tour(root)
        print(f"A copy of keys-example/ in {root}; its keys are throwaway keys.")
        steps = [show_rule, encrypt_everything, change_values, change_keys, verify, interchange, decrypt_at_apply, guard]
        for step in (*steps, look_at_placeholders, fill_placeholders, render_into_memory):
            step(tour)
    finally:
        shutil.rmtree(folder)
    print("\ndemo: everything was as it should be")


if __name__ == "__main__":
    main()
