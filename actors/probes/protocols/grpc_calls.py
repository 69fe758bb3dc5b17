"""Calls to a gRPC server: health, reflection, and one method that reflection describes."""

from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from actors.probes.kit.result import CheckInconclusive, TargetFailed

HEALTH = "/grpc.health.v1.Health/Check"
REFLECTION = tuple(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo" for version in ("v1", "v1alpha"))
MAX_FILES = 200  # that describe one method; real ones have a dozen

Channel = grpc.aio.Channel


async def check_health(channel: Channel, service: str) -> str:
    """The server's status of a service: SERVING, NOT_SERVING, …; an empty name means the server as a whole."""
    call = channel.unary_unary(HEALTH, HealthCheckRequest.SerializeToString, _identity)
    response = _parse(HealthCheckResponse(), await call(HealthCheckRequest(service=service)))
    status = int(response.status)
    names = HealthCheckResponse.ServingStatus
    return str(names.Name(status)) if status in names.values() else f"status {status}"


async def call_method(channel: Channel, method: str, body: str) -> str:
    """Call `package.Service/Method` with a JSON body; the reply as JSON."""
    service, _, name = method.partition("/")
    pool = DescriptorPool()
    try:
        for file in await _describing_files(channel, service):
            pool.Add(file)
        descriptor = pool.FindMethodByName(f"{service}.{name}")
    except KeyError as error:
        raise TargetFailed(f"the server has no method {method}") from error
    except TypeError as error:
        raise TargetFailed("the server's own description can't be read") from error
    call = channel.unary_unary(f"/{method}", _serialize, _identity)
    return _to_json(pool, descriptor, await call(_build_request(pool, descriptor, body)))


def _build_request(pool: DescriptorPool, method: MethodDescriptor, body: str) -> Message:
    if method.client_streaming or method.server_streaming:
        raise CheckInconclusive(f"{method.full_name} is a stream; checks call what has one request and one reply")
    try:
        return Parse(body or "{}", GetMessageClass(method.input_type)(), descriptor_pool=pool)
    except ParseError as error:
        raise CheckInconclusive(f"the body does not fit {method.input_type.full_name}: {error}") from error


def _to_json(pool: DescriptorPool, method: MethodDescriptor, data: bytes) -> str:
    reply = _parse(GetMessageClass(method.output_type)(), data)
    return str(MessageToJson(reply, indent=None, ensure_ascii=False, descriptor_pool=pool))


async def _describing_files(channel: Channel, service: str) -> list[FileDescriptorProto]:
    """The files that describe a service, each after its dependencies."""
    try:
        return await _fetch_files(channel, REFLECTION[0], service)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
            raise
    return await _fetch_files(channel, REFLECTION[1], service)


async def _fetch_files(channel: Channel, path: str, service: str) -> list[FileDescriptorProto]:
    found = dict[str, FileDescriptorProto]()
    pending = [ServerReflectionRequest(file_containing_symbol=service)]
    while pending:
        for file in await _query_reflection(channel, path, pending.pop()):
            found[file.name] = file
        if len(found) > MAX_FILES:
            raise TargetFailed(f"the server's own description has more than {MAX_FILES} files")
        missing = next((one for file in found.values() for one in file.dependency if one not in found), "")
        pending = [ServerReflectionRequest(file_by_filename=missing)] if missing else []
    return _in_dependency_order(found)


async def _query_reflection(channel: Channel, path: str, request: ServerReflectionRequest) -> list[FileDescriptorProto]:
    """One reflection query; it must return a file, or the caller's loop would not end.

    The method takes a stream of requests. A stream that ends after the first looks the same on the wire as a call with
    a single request, and that one leaves in one piece: a server that answers at once that it has no such method would
    find a stream still being written, for which the library only reports INTERNAL.
    """
    call: Any = channel.unary_stream(path, _serialize, _identity)(request)
    async for data in call:
        response = _parse(ServerReflectionResponse(), data)
        files = [_parse(FileDescriptorProto(), one) for one in response.file_descriptor_response.file_descriptor_proto]
        if files and (not request.file_by_filename or request.file_by_filename in {one.name for one in files}):
            return files
        break
    raise TargetFailed(f"the server does not describe {request.file_containing_symbol or request.file_by_filename}")


def _in_dependency_order(files: dict[str, FileDescriptorProto]) -> list[FileDescriptorProto]:
    ordered = list[FileDescriptorProto]()
    remaining = dict(files)
    while remaining:
        ready = [file for file in remaining.values() if not any(one in remaining for one in file.dependency)]
        if not ready:
            raise TargetFailed("the server's own description goes in circles")
        ordered += ready
        for file in ready:
            del remaining[file.name]
    return ordered


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


def _identity(data: bytes) -> bytes:
    return data


def _parse(message: Any, data: bytes | None) -> Any:
    """Parse here, so that an unreadable message is the target's failure. None: the call ended without a reply."""
    if data is None:
        raise TargetFailed("the server ended the call without a reply")
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise TargetFailed("the reply can't be read") from error
    return message
