"""Certificates for the tests, made by the openssl command: each takes some 30 ms, once per process."""

import datetime
import functools
import pathlib
import re
import subprocess
import tempfile
import typing

_KINDS = {"p256": ("EC", "ec_paramgen_curve:P-256"), "rsa2048": ("RSA", "rsa_keygen_bits:2048")}
_CONFIG = """\
[req]
distinguished_name = subject
[subject]
[ca]
default_ca = signing
[signing]
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
[extensions]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
{extensions}
"""
_AUTHORITY = "basicConstraints = critical, CA:true\nkeyUsage = critical, keyCertSign, cRLSign"
_LEAF = "basicConstraints = critical, CA:false\nkeyUsage = critical, digitalSignature\nextendedKeyUsage = {}\nsubjectAltName = {}"


class Files(typing.NamedTuple):
    """Of a certificate, behind which stands what leads to its authority, and of its key; both PEM."""
    certificate: pathlib.Path
    key: pathlib.Path


class _Texts(typing.NamedTuple):
    certificate: str
    key: str


def _openssl(folder, *words):
    done = subprocess.run(["openssl", *map(str, words)], cwd=folder, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise AssertionError(f"openssl {' '.join(map(str, words))}: {done.stderr}")


def _make(issuer, name, kind, first, last, extensions):
    """The issuer's own if that is None."""
    with tempfile.TemporaryDirectory(prefix="weft-certificates-") as kept:
        folder = pathlib.Path(kept)
        (folder / "config").write_text(_CONFIG.format(folder=folder, extensions=extensions))
        (folder / "index").touch()
        algorithm, option = _KINDS[kind]
        _openssl(folder, "req", "-new", "-config", "config", "-subj", f"/CN={name}", "-nodes", "-newkey", algorithm, "-pkeyopt", option,
                 "-keyout", "key", "-out", "request")
        key = (folder / "key").read_text()
        if issuer:
            (folder / "issuer").write_text(issuer.certificate)
            (folder / "issuer.key").write_text(issuer.key)
        signer = ("-cert", "issuer", "-keyfile", "issuer.key") if issuer else ("-selfsign", "-keyfile", "key")
        _openssl(folder, "ca", "-batch", "-notext", "-config", "config", "-extensions", "extensions", *signer, "-in", "request", "-out",
                 "certificate", *(word for name, day in (("-startdate", first), ("-enddate", last))
                                  for word in (name, day.strftime("%Y%m%d%H%M%SZ"))))
        return _Texts((folder / "certificate").read_text(), key)


@functools.cache
def _now():
    return datetime.datetime.now(datetime.timezone.utc)


def _days(first, count):
    begin = _now() + datetime.timedelta(days=first)
    return begin, begin + datetime.timedelta(days=count)


@functools.cache
def _authority(name, issuer=None):
    return _make(issuer, name, "p256", *_days(-1, 365), _AUTHORITY)


@functools.cache
def _certificate(issuer, name, days, not_before, kind, purpose, intermediate):
    if intermediate:
        issuer = _authority(intermediate, issuer)
    san = name if ":" in name else f"{'IP' if re.fullmatch('[0-9.]+', name) else 'DNS'}:{name}"
    common = re.sub("[^a-zA-Z0-9.*-]+", "-", name)
    made = _make(issuer, common, kind, *_days(not_before, days), _LEAF.format(purpose, san))
    return made._replace(certificate=made.certificate + issuer.certificate) if intermediate else made


def _write(folder, stem, texts):
    files = Files(*(pathlib.Path(folder, f"{stem}.{end}") for end in ("crt", "key")))
    for file, text in zip(files, texts):
        file.write_text(text)
    return files


def authority(folder, name="authority"):
    """Files of a certificate that signs others, itself signed by itself; the same for each call with this name."""
    return _write(folder, name, _authority(name))


def certificate(folder, authority, name, *, days=30, not_before=-1, kind="p256", client=False, intermediate=None, stem=None):
    """Files STEM.crt and STEM.key (by default the name) in the folder, signed by the authority that `authority` gave. `name` is a
    host name, an IPv4 address, or another subjectAltName as openssl writes it ("URI:spiffe://mesh/web"). It is valid for `days`
    from `not_before` days on, counted from now; as a client if `client`, else as a server. With `intermediate`, a name, an
    authority of that name stands between. `kind` is "p256" or "rsa2048"."""
    issuer = _Texts(*(file.read_text() for file in authority))
    texts = _certificate(issuer, name, days, not_before, kind, "clientAuth" if client else "serverAuth", intermediate)
    return _write(folder, stem or re.sub("[^a-zA-Z0-9.-]+", "-", name), texts)
