// SPDX-License-Identifier: Apache-2.0

import Glibc
import HalfOpenLinux
import Testing

/// What `scripts/test` makes of the reports of test runs, which are made up here.
@Suite("scripts/test", .timeLimit(.minutes(5)))
struct TestScriptTests {
  private static let passed = #"<testcase classname="A" name="works()" time="0.1" />"#
  private static let failed = #"<testcase classname="A" name="fails()" time="0.1"><failure message="no" /></testcase>"#
  private static let skipped =
    "<testcase classname=\"A\" name=\"needsRoot()\" >\n<skipped>no right</skipped>\n</testcase>"

  @Test("passes where every test ran and passed")
  func allPassed() throws {
    let end = try judge([Self.passed, Self.passed])
    #expect(end.code == 0, "\(end.text)")
    #expect(end.text.hasSuffix("2 passed, 0 failed, 0 skipped\n"))
  }

  @Test("fails as root where one was skipped, and names it; elsewhere it counts it")
  func oneSkipped() throws {
    let end = try judge([Self.passed, Self.skipped, Self.passed])
    #expect(end.code == (geteuid() == 0 ? 1 : 0), "\(end.text)")
    #expect(end.text.hasSuffix("2 passed, 0 failed, 1 skipped\n"))
    #expect(end.text.contains(#"skipped: classname="A" name="needsRoot()""#))
    #expect(end.text.contains("1 skipped as root: each test has to run here") == (geteuid() == 0))
    guard geteuid() == 0 else { return }
    let user = try judge([Self.passed, Self.skipped], as: ["setpriv", "--reuid", "65534", "--clear-groups", "--"])
    #expect(user.code == 0, "\(user.text)")
    #expect(user.text.hasSuffix("1 passed, 0 failed, 1 skipped\n"))
  }

  @Test("fails where one failed, whatever the test process said")
  func oneFailed() throws {
    for code in [0, 1] as [Int32] {
      let end = try judge([Self.failed, Self.passed], exitCode: code)
      #expect(end.code == 1, "\(end.text)")
      #expect(end.text.hasSuffix("1 passed, 1 failed, 0 skipped\n"))
    }
  }

  @Test("fails where the test process failed, whatever it reported")
  func processFailed() throws {
    #expect(try judge([Self.passed], exitCode: 1).code == 1)
  }

  @Test("fails where no test ran, or no report was left")
  func nothingRan() throws {
    let dead = try judge(nil, exitCode: 139)
    #expect(dead.code == 1)
    #expect(dead.text.contains("the test process died"))
    #expect(try judge([]).code == 1)
  }

  /// Runs a copy of the script where everything that it calls is a stub.
  private func judge(
    _ cases: [String]?, exitCode: Int32 = 0, as user: [String] = []
  ) throws -> (code: Int32, text: String) {
    let folder = try makeTemporaryFolder(prefix: "halfopen-script-")
    defer { _ = try? SpawnedProcess(["rm", "-rf", "--", folder]).wait() }
    let swift = """
      #!/usr/bin/env bash
      [[ $* != *--show-bin-path* ]] || echo \(folder)/bin
      """
    let tests = """
      #!/usr/bin/env bash
      while [[ $# -gt 0 ]]; do
        if [[ $1 == --xunit-output && -e \(folder)/report.xml ]]; then cp \(folder)/report.xml "$2"; fi
        shift
      done
      exit \(exitCode)
      """
    let setup = """
      set -e
      cd \(folder)
      mkdir bin scripts
      cp \(scriptPath) scripts/test
      cat >bin/halfopenPackageTests.xctest
      for stub in setup lint outside fuzz; do printf '#!/bin/sh\\n' >scripts/$stub; done
      touch bin/swift
      chmod 755 . bin bin/* scripts/*
      """
    #expect(try SpawnedProcess(["sh", "-c", setup], input: tests).wait() == .code(0))
    try writeFile(folder + "/bin/swift", swift)
    if let cases {
      let report = "<testsuites><testsuite>\n\(cases.joined(separator: "\n"))\n</testsuite></testsuites>\n"
      try writeFile(folder + "/report.xml", report)
      #expect(try SpawnedProcess(["chmod", "644", folder + "/report.xml"]).wait() == .code(0))
    }
    let script = try SpawnedProcess(
      user + [
        "sh", "-c", "PATH=\(folder)/bin:$PATH exec env -u HALFOPEN_SANITIZER \(folder)/scripts/test --filter X 2>&1",
      ])
    guard case .code(let code) = try script.wait(until: .now.advanced(by: .seconds(60))) else { return (-1, "") }
    return (code, try script.outputs().output)
  }
}

/// The script of the checkout that this test was built from.
private let scriptPath: String = {
  let folders = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
  return folders.joined(separator: "/") + "/scripts/test"
}()
