"""The messages of api/ are the official ones: each that has an official name has its fields by the same numbers, names and
types."""

import importlib
import subprocess
import tempfile
import unittest

import mesh
import proxies  # with the packages of requirements.txt

try:
    from google.protobuf import descriptor_pb2, descriptor_pool
    importlib.import_module("envoy.service.discovery.v3.ads_pb2")
except ImportError:
    descriptor_pb2 = None

API = mesh.SOURCE / "api"
# What is weft's own, and no one else's.
OWN = "weft."


def ours():
    """The descriptors of all files of api/."""
    files = sorted(str(path.relative_to(API)) for path in API.rglob("*.proto"))
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["protoc", f"-I{API}", f"--descriptor_set_out={out.name}", *files], check=True)
        return descriptor_pb2.FileDescriptorSet.FromString(out.read()).file


def messages(package, listed):
    """(full name, message) of all of these, and of those within them."""
    for message in listed:
        name = f"{package}.{message.name}"
        yield name, message
        yield from messages(name, message.nested_type)


def enums(package, file):
    for enum in file.enum_type:
        yield f"{package}.{enum.name}", enum
    for name, message in messages(package, file.message_type):
        for enum in message.enum_type:
            yield f"{name}.{enum.name}", enum


def shape(message, field):
    """What the wire and the code that reads it depend on."""
    group = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else None
    return field.number, field.type, field.label, field.type_name, group


@unittest.skipIf(descriptor_pb2 is None, "needs xds-protos and protobuf, which `./dev test` installs from tests/requirements.txt")
class Api(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.files = ours()
        for file in cls.files:
            if not file.package.startswith(OWN):
                importlib.import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")

    def official(self, kind, name):
        """The official descriptor of that name, as a message; fails if there is none."""
        pool = descriptor_pool.Default()
        into = {"message": descriptor_pb2.DescriptorProto, "enum": descriptor_pb2.EnumDescriptorProto,
                "service": descriptor_pb2.ServiceDescriptorProto}[kind]()
        find = {"message": pool.FindMessageTypeByName, "enum": pool.FindEnumTypeByName,
                "service": pool.FindServiceByName}[kind]
        try:
            find(name).CopyToProto(into)
        except KeyError:
            self.fail(f"there is no official {kind} {name}")
        return into

    def foreign(self):
        return [file for file in self.files if not file.package.startswith(OWN)]

    def test_messages(self):
        compared = 0
        for file in self.foreign():
            for name, message in messages(file.package, file.message_type):
                official = self.official("message", name)
                known = {field.name: shape(official, field) for field in official.field}
                for field in message.field:
                    with self.subTest(field=f"{name}.{field.name}"):
                        self.assertEqual(shape(message, field), known.get(field.name))
                        compared += 1
        self.assertGreater(compared, 150)

    def test_enums(self):
        for file in self.foreign():
            for name, enum in enums(file.package, file):
                official = {value.name: value.number for value in self.official("enum", name).value}
                for value in enum.value:
                    with self.subTest(value=f"{name}.{value.name}"):
                        self.assertEqual(value.number, official.get(value.name))

    def test_services(self):
        for file in self.foreign():
            for service in file.service:
                official = {method.name: method for method in self.official("service", f"{file.package}.{service.name}").method}
                for method in service.method:
                    with self.subTest(method=method.name):
                        self.assertIn(method.name, official)
                        for what in ("input_type", "output_type", "client_streaming", "server_streaming"):
                            self.assertEqual(getattr(method, what), getattr(official[method.name], what))

    def test_files(self):
        """Each stands where the official one does, so that imports are the same."""
        pool = descriptor_pool.Default()
        for file in self.foreign():
            with self.subTest(file=file.name):
                self.assertEqual(pool.FindFileByName(file.name).package, file.package)
