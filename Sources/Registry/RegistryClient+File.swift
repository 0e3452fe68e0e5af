import NIOCore

extension RegistryClient {
    /// Streams what lies at an http or https URL, as `import` is given one: without credentials, with the rules for
    /// redirects that a registry's blobs have. `receive`'s errors are thrown on; others are `RegistryError`. There is
    /// no second try, because nobody could tell whether it sends the same.
    public static func file(
        at text: String, _ configuration: RegistryConfiguration,
        receive: (UnsafeRawBufferPointer) throws -> Void
    ) async throws {
        let url = try WebURL(text)
        let host = Endpoint(registry: url.authority, repository: "", isInsecure: url.scheme == .http)
        var call = Call(at: host, path: "")
        (call.target, call.actions) = (.url(url), nil)
        try await with(configuration, CredentialStore(fixed: [:])) { client in
            do { try await client.stream(call, receive) } catch let error as SourceError {
                throw error.cause
            } catch {
                throw RegistryError.of(error, "GET \(url)")
            }
        }
    }

    private func stream(_ call: Call, _ receive: (UnsafeRawBufferPointer) throws -> Void) async throws {
        try await once(call) { response in
            guard response.status == 200 else {
                throw Problem.server(response, Problem(try await response.bytes(limit: 65536)))
            }
            var pace = Pace(configuration)
            while let bytes = try await pace.measuring({ try await response.next() }) {
                do { try bytes.withUnsafeReadableBytes(receive) } catch { throw SourceError(error) }
            }
        }
    }
}
