public import OCI

extension RegistryClient {
    /// The tags of a repository, all pages of them, in the registry's order (distribution-spec, "Listing tags"). A
    /// registry that gives one of more than 128 bytes or more than a million, takes ten minutes for them, or leads elsewhere for the rest, is refused.
    public func tags(of repository: Reference) async throws(RegistryError) -> [String] {
        try await tags(of: repository, pages: 10_000, within: .seconds(600))
    }

    func tags(
        of repository: Reference, pages: Int, within time: Duration
    ) async throws(RegistryError) -> [String] {
        try await fromEachEndpoint(of: repository) { endpoint in
            var call = Call(at: endpoint, path: "\(endpoint.repository)/tags/list")
            var tags: [String] = []
            let end = ContinuousClock.now + time
            for _ in 0..<pages {
                let (page, next) = try await self.tags(call, repository)
                // distribution-spec, "Pulling manifests": at most 128 characters.
                guard page.allSatisfy({ $0.utf8.count <= 128 }) else {
                    throw RegistryError(.invalid, "\(repository.name): a tag of more than 128 bytes")
                }
                tags += page
                guard tags.count <= 1_000_000 else {
                    throw RegistryError(.invalid, "\(repository.name): more than a million tags")
                }
                guard let next, !page.isEmpty else { return tags }
                guard call.isOwn(next) else {
                    throw RegistryError(
                        .refused, "\(repository.name): the next tags are said to be at \(next)")
                }
                guard ContinuousClock.now < end else {
                    throw RegistryError(.invalid, "\(repository.name): the list of tags comes too slowly")
                }
                call.target = .url(next)
            }
            throw RegistryError(.invalid, "\(repository.name): more than \(pages) pages of tags")
        }
    }

    private func tags(_ call: Call, _ repository: Reference) async throws -> ([String], WebURL?) {
        try await perform(call) { response in
            let body = try await response.bytes(limit: response.status == 200 ? 16 << 20 : 65536)
            guard response.status == 200 else {
                throw PullError.of(response, Problem(body), repository, nil)
            }
            let tags: [String]
            do throws(JSONError) {
                // A repository without tags has null in some registries.
                tags = try JSON(parsing: body).stringsOrEmpty("tags")
            } catch {
                throw RegistryError(.invalid, "\(response.url): not a valid list of tags: \(error)")
            }
            return (
                tags, try response.header("Link").flatMap(nextPage).map { try response.url.resolving($0) }
            )
        }
    }

    /// The target in `<target>; rel="next"` (RFC 8288).
    private func nextPage(_ link: String) -> String? {
        guard link.hasPrefix("<"), let end = link.firstIndex(of: ">") else { return nil }
        let parameters = link[end...].lowercased()
        guard parameters.contains("rel=\"next\"") || parameters.contains("rel=next") else { return nil }
        return String(link[link.index(after: link.startIndex)..<end])
    }
}
