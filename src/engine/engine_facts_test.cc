#include "engine/engine_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/test_folder.h"
#include "engine/engine_family.h"
#include "engine/test_host.h"

namespace knaller::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Deadline soon() {
  return Deadline::after(std::chrono::seconds(30));
}

EngineFacts back(const Json& json) {
  return facts_from_json(JsonReader(json, "facts.json"));
}

TEST(EngineFactsTest, ComeBackAsTheyWere) {
  const EngineFacts facts{.type = store::EngineType::kQemu,
                          .version = firecracker::parse_version("1.17.0-dev"),
                          .state_version = "10.0.0",
                          .backend_version = "7.2.22",
                          .files = {"/a", "/b"}};
  const EngineFacts read = back(facts_to_json(facts));
  EXPECT_EQ(read.type, facts.type);
  EXPECT_EQ(read.version, facts.version);
  EXPECT_EQ(read.state_version, facts.state_version);
  EXPECT_EQ(read.backend_version, facts.backend_version);
  EXPECT_THAT(read.files, ElementsAre("/a", "/b"));
}

TEST(EngineFactsTest, OfAnUnknownEngineAreNone) {
  Json json = facts_to_json({});
  json["kind"] = "cloud-hypervisor";
  EXPECT_EQ(code_thrown_by([&] { back(json); }), Code::kUnsupported);
  json = facts_to_json({});
  json["version"] = "new";
  EXPECT_THROW(back(json), Error);
}

// A program of some lines, which is what an engine is to those who ask it.
std::string make_program(const TestFolder& folder, const std::string& lines) {
  write_file_atomically(folder.fd(), "engine", "#!/bin/sh\n" + lines + "\n", Durability::kNoSync, 0755);
  return folder.path("engine");
}

TEST(AskEngineTest, LearnsFamilyAndVersions) {
  TestFolder folder;
  const EngineFacts facts = ask_engine(
      make_program(folder, R"(case $1 in --version) echo Firecracker v1.16.1 ;; *) echo v10.0.0 ;; esac)"),
      soon());
  EXPECT_EQ(facts.type, store::EngineType::kFirecracker);
  EXPECT_EQ(facts.version.text(), "1.16.1");
  EXPECT_EQ(facts.state_version, "10.0.0");
}

TEST(AskEngineTest, TakesNoNonsenseForAStateVersion) {
  TestFolder folder;
  const EngineFacts facts = ask_engine(
      make_program(folder, R"(case $1 in --version) echo Firecracker v1.16.1 ;; *) echo vain ;; esac)"),
      soon());
  EXPECT_EQ(facts.state_version, "");
}

TEST(EngineIdentityTest, ChangesWithTheProgramAndWithAnyBackend) {
  TestFolder folder;
  const std::string engine = make_program(folder, "exit 0");
  write_file_atomically(folder.fd(), "qemu", "one", Durability::kNoSync);
  const Host without = host_with({}, true);
  const Host with = host_with({{"qemu-system-x86_64", folder.path("qemu")}}, true);
  const std::string before = identity_of_engine(engine, with);
  EXPECT_EQ(identity_of_engine(engine, with), before);
  EXPECT_NE(identity_of_engine(engine, without), before);
  write_file_atomically(folder.fd(), "qemu", "two", Durability::kNoSync);
  const std::string after = identity_of_engine(engine, with);
  EXPECT_NE(after, before);
  make_program(folder, "exit 1");
  EXPECT_NE(identity_of_engine(engine, with), after);
}

TEST(FamiliesTest, AreOnesOfTheirTypes) {
  for (const store::EngineType type : store::kEngineTypes) EXPECT_EQ(family_of(type).type(), type);
  EXPECT_EQ(all_families().front()->type(), store::EngineType::kFirecracker);
}

}  // namespace
}  // namespace knaller::engine
