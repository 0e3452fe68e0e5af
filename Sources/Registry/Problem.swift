import NIOHTTP1
import OCI

/// What a registry says went wrong: the first of the `errors` of its answer (distribution-spec, error codes).
struct Problem: Equatable {
    /// `MANIFEST_UNKNOWN`; nil when the answer is not what the specification says.
    var code: String?
    /// `manifest unknown: no such tag`, as docker prints it.
    var text: String?

    init(_ body: [UInt8]) {
        // A damaged error page is no error of its own: the status says enough.
        guard let document = try? JSON(parsing: body) else { return }
        if let first = document["errors"]?.array?.first, let code = first["code"]?.string {
            self.code = code
            let words = code.lowercased().map { $0 == "_" ? " " : $0 }
            let message = first["message"]?.string ?? ""
            text = escaped(message.isEmpty ? String(words) : "\(String(words)): \(message)")
        } else if let message = document["details"]?.string ?? document["message"]?.string {
            text = escaped(message)
        }
    }

    /// The error of a response that nothing else is known for.
    static func server(_ response: WebResponse, _ problem: Problem) -> RegistryError {
        let words = problem.text.map { ": \($0)" } ?? ""
        let line = "\(response.url): \(response.status) \(escaped(response.head.status.reasonPhrase))\(words)"
        switch response.status {
        case 408, 425, 429, 500, 502, 503, 504:
            let wait = response.header("Retry-After").flatMap { Int64($0) }
            return RegistryError(
                .server(status: response.status), line,
                .passing(retryAfter: wait.map { .seconds(min(max($0, 0), 86400)) }))
        default: return RegistryError(.server(status: response.status), line)
        }
    }
}
