#include "engine/choose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/test_folder.h"
#include "engine/test_host.h"

namespace knaller::engine {
namespace {

using store::EngineType;
using testing::HasSubstr;

const char* const kFirecracker = "/usr/bin/firecracker";
const char* const kQemu = "/opt/libexec/knaller-qemu";

Error refusal(const EngineChoice& asked, const Host& host) {
  try {
    choose(asked, host);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "an engine was chosen";
  return Error(Code::kInternal, "");
}

TEST(ChooseTest, FirecrackerWhereKvmRunsGuests) {
  const Choice choice = choose({}, host_with(both(), true));
  EXPECT_EQ(choice.binary, kFirecracker);
  EXPECT_EQ(choice.reason, "KVM runs guests");
}

TEST(ChooseTest, QemuWhereItDoesNotForThatReason) {
  const Choice choice = choose({}, host_with(both(), false));
  EXPECT_EQ(choice.binary, kQemu);
  EXPECT_EQ(choice.reason, "KVM does not");
}

TEST(ChooseTest, QemuWhereThereIsNoFirecrackerForThatReason) {
  for (const bool kvm : {false, true}) {
    const Choice choice = choose({}, host_with(qemu_only(), kvm));
    EXPECT_EQ(choice.binary, kQemu);
    EXPECT_EQ(choice.reason, "there is no 'firecracker' on PATH");
  }
}

TEST(ChooseTest, WhatIsAskedForWhateverFits) {
  EXPECT_EQ(choose({.kind = EngineKind::kFirecracker}, host_with(both(), false)).binary, kFirecracker);
  EXPECT_EQ(choose({.kind = EngineKind::kQemu}, host_with(both(), true)).binary, kQemu);
  EXPECT_EQ(choose({.kind = EngineKind::kQemu}, host_with(both(), true)).reason, "asked for");
}

TEST(ChooseTest, ThePathThatIsAskedFor) {
  auto programs = both();
  programs["/my/engine"] = "/my/engine";
  for (const EngineKind kind : {EngineKind::kAuto, EngineKind::kFirecracker, EngineKind::kQemu}) {
    EXPECT_EQ(choose({.kind = kind, .path = "/my/engine"}, host_with(programs, true)).binary, "/my/engine");
    const Error error = refusal({.kind = kind, .path = "/no/engine"}, host_with(programs, true));
    EXPECT_EQ(error.code(), Code::kNotFound);
    EXPECT_THAT(error.what(), HasSubstr("there is no engine '/no/engine'"));
  }
}

TEST(ChooseTest, SaysWhatIsMissing) {
  const Error no_firecracker = refusal({.kind = EngineKind::kFirecracker}, host_with(qemu_only(), true));
  EXPECT_EQ(no_firecracker.code(), Code::kNotFound);
  EXPECT_THAT(no_firecracker.hint(), HasSubstr("--engine qemu"));
  // An open choice ends with QEMU, so that is what there has to be.
  for (const EngineChoice& asked : {EngineChoice{}, EngineChoice{.kind = EngineKind::kQemu}}) {
    EXPECT_THAT(refusal(asked, host_with(firecracker_only(), false)).what(),
                HasSubstr("there is no engine '/opt/libexec/knaller-qemu'"));
    auto without_backend = both();
    without_backend.erase("qemu-system-x86_64");
    EXPECT_THAT(refusal(asked, host_with(without_backend, false)).hint(), HasSubstr("apt install"));
  }
}

// PATH here says nothing of what the jail shows.
TEST(ChooseTest, FindsQemuWhereTheJailShowsIt) {
  auto programs = qemu_only();
  programs.erase("qemu-system-x86_64");
  programs["/usr/bin/qemu-system-x86_64"] = "/usr/bin/qemu-system-x86_64";
  EXPECT_EQ(choose({}, host_with(programs, false)).binary, kQemu);
}

TEST(ChooseForStateTest, TakesTheFamilyOfTheStateWhereItFits) {
  EXPECT_EQ(asked_for_state({}, EngineType::kQemu, host_with(both(), true)).kind, EngineKind::kQemu);
  EXPECT_EQ(asked_for_state({}, EngineType::kFirecracker, host_with(both(), true)).kind,
            EngineKind::kFirecracker);
  // What would run instead says why it does.
  EXPECT_EQ(asked_for_state({}, EngineType::kFirecracker, host_with(both(), false)).kind, EngineKind::kAuto);
}

TEST(ChooseForStateTest, LeavesWhatWasAskedFor) {
  const Host host = host_with(both(), true);
  EXPECT_EQ(asked_for_state({.kind = EngineKind::kFirecracker}, EngineType::kQemu, host).kind,
            EngineKind::kFirecracker);
  const EngineChoice named = asked_for_state({.path = "/my/engine"}, EngineType::kQemu, host);
  EXPECT_EQ(named.kind, EngineKind::kAuto);
  EXPECT_EQ(named.path, "/my/engine");
}

TEST(ChooseTest, KindsAskForTheirFamily) {
  auto programs = both();
  for (const EngineType type : store::kEngineTypes) {
    const Host host = host_with(programs, true);
    EXPECT_EQ(choose({.kind = kind_of(type)}, host).binary, family_of(type).find(host, {}));
  }
}

}  // namespace
}  // namespace knaller::engine
