"""What a docker-archive really holds. Usage: inspect_archive.py FILE NAME:TAG PROGRAM REVISION FOLDER

Unpacks its root file system into FOLDER, and fails unless it is an image as docs/images.md promises it.
"""

import hashlib
import json
import os
import stat
import sys
import tarfile

# 25 MB: what a node pulls, uncompressed.
LARGEST = 25 * 1000 * 1000
ROOTS = "etc/ssl/certs/ca-certificates.crt"
LABELS = ("title", "description", "version", "revision", "created", "source", "licenses")

path, reference, program, revision, folder = sys.argv[1:]
errors = []


def expect(holds, message):
    if not holds:
        errors.append(message)


with tarfile.open(path) as archive:
    (manifest,) = json.load(archive.extractfile("manifest.json"))
    raw = archive.extractfile(manifest["Config"]).read()
    image = json.loads(raw)
    for layer in manifest["Layers"]:
        with tarfile.open(fileobj=archive.extractfile(layer)) as content:
            for member in content:
                expect("/.wh." not in "/" + member.name, f"a layer deletes: {member.name}")
            # Owners and modes as they are; older Pythons have no argument for it.
            content.extraction_filter = lambda member, _: member
            content.extractall(folder)

config = image["config"]
labels = {key.removeprefix("org.opencontainers.image."): value for key, value in (config.get("Labels") or {}).items()}
# Tools write a short name out, with the registry and the library that it stands for.
named = [tag == reference or tag.endswith("/library/" + reference) for tag in manifest["RepoTags"]]
expect(named == [True], f"tagged {manifest['RepoTags']}, not {reference}")
expect(config.get("User") == "65532:65532", f"the user is {config.get('User')!r}, not 65532:65532")
expect(config.get("Entrypoint") == ["/" + program], f"the entrypoint is {config.get('Entrypoint')}")
expect(not config.get("Cmd"), f"there are default arguments: {config.get('Cmd')}")
for label in LABELS:
    expect(labels.get(label), f"no label {label}")
expect(labels.get("revision") == revision, f"the label revision says {labels.get('revision')}, not {revision}")

# The whole list: a shell, a library or a leftover is an error by not being on it.
wanted = {program, "LICENSE", ROOTS, "etc", "etc/ssl", "etc/ssl/certs"} | ({"data"} if program == "entra-emulator" else set())
found, size = set(), 0
for here, folders, files in os.walk(folder):
    for name in folders + files:
        entry = os.path.join(here, name)
        facts = os.lstat(entry)
        inside = os.path.relpath(entry, folder)
        found.add(inside)
        size += facts.st_size if stat.S_ISREG(facts.st_mode) else 0
        expect(stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode), f"/{inside} is neither file nor folder")
        expect(not facts.st_mode & (stat.S_ISUID | stat.S_ISGID), f"/{inside} is setuid or setgid")
        expect(not facts.st_mode & stat.S_IWOTH, f"/{inside} can be written by everybody")
        owner = 65532 if inside == "data" else 0
        expect(facts.st_uid == owner and facts.st_gid == owner, f"/{inside} belongs to {facts.st_uid}:{facts.st_gid}")
expect(found == wanted, f"unexpected: {sorted(found - wanted)}, missing: {sorted(wanted - found)}")
expect(size <= LARGEST, f"{size / 1e6:.1f} MB are more than {LARGEST / 1e6:.0f}")

digest = "none"
if program in found:
    with open(os.path.join(folder, program), "rb") as file:
        binary = file.read()
    digest = hashlib.sha256(binary).hexdigest()
    machine = {0x3E: "amd64", 0xB7: "arm64"}.get(int.from_bytes(binary[18:20], "little"))
    expect(machine == image["architecture"], f"a program for {machine} in an image for {image['architecture']}")
    # PT_INTERP (3) in a program header: it would look for a loader that isn't there.
    offset, width, count = (int.from_bytes(binary[a:b], "little") for a, b in ((32, 40), (54, 56), (56, 58)))
    kinds = [int.from_bytes(binary[at : at + 4], "little") for at in range(offset, offset + width * count, width)]
    expect(3 not in kinds, "the program isn't static")

for error in errors:
    print(f"image: {reference}: {error}", file=sys.stderr)
print(f"""{reference} ({image['os']}/{image['architecture']})
  size    {size / 1e6:.1f} MB
  user    {config.get('User')}
  binary  sha256:{digest}
  image   sha256:{hashlib.sha256(raw).hexdigest()}""")
sys.exit(1 if errors else 0)
