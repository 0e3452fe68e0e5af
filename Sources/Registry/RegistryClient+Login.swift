import NIOCore
import OCI

extension RegistryClient {
    /// Tries credentials at a registry (`docker.io`, `host[:port]`), as `docker login` does. Answers what is to be
    /// kept: with an identity token when the registry gives one in place of the password.
    public func checkLogin(
        server: String, _ credential: Credential
    ) async throws(RegistryError) -> Credential {
        let registry = CredentialKey.registry(server)
        let table = configuration.table(for: registry)
        let endpoint = Endpoint(
            registry: registry, repository: "", isInsecure: table?.isInsecure ?? false,
            realmHosts: table?.realmHosts ?? [])
        let client = RegistryClient(sharing: self, login: CredentialStore(fixed: [registry: credential]))
        do {
            var call = Call(at: endpoint, path: "")
            call.actions = nil
            return try await client.perform(call) { response in
                let problem = Problem(try await response.bytes(limit: 65536))
                switch response.status {
                case 200: return client.authenticator.refreshed(credential)
                case 401, 403:
                    throw RegistryError(
                        .denied, problem.text ?? "unauthorized: incorrect username or password")
                case 404:
                    throw RegistryError(
                        .notFound, "\(response.url): 404: this is no registry (distribution API 2)")
                default: throw Problem.server(response, problem)
                }
            }
        } catch {
            let error = RegistryError.of(error, "login")
            throw error.within("login to \(registry)")
        }
    }
}
