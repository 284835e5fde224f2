// SPDX-License-Identifier: Apache-2.0

public import Testing

/// Waits, within a generous bound, for what happens behind the test's back: a RST on its way, a descriptor of a thread.
///
/// The bound is in time and in looks: while other tests hold the threads of the cooperative pool, time passes in which
/// what is waited for cannot come.
public func eventually(
  _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation, _ condition: () throws -> Bool
) async throws {
  let deadline = ContinuousClock.now + .seconds(30)
  var looks = 0
  while looks < 5_000 || ContinuousClock.now < deadline {
    if try condition() { return }
    looks += 1
    try await Task.sleep(for: .milliseconds(2))
  }
  #expect(try condition(), comment, sourceLocation: sourceLocation)
}
