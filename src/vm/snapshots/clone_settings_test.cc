#include "vm/snapshots/clone_settings.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace knaller::vm {
namespace {

TEST(PortsOfClone, OfAnImportAreTheGuestsAlone) {
  store::SnapshotRecord record;
  record.ports = {{"0.0.0.0", 8080, 80}, {"127.0.0.1", 53, 53, Protocol::kUdp}};
  EXPECT_EQ(ports_of_clone(record, false, {}), record.ports);
  EXPECT_EQ(ports_of_clone(record, true, {.trust_ports = true}), record.ports);
  const std::vector<PortForward> guests{{"127.0.0.1", 0, 80}, {"127.0.0.1", 0, 53, Protocol::kUdp}};
  EXPECT_EQ(ports_of_clone(record, true, {}), guests);
  const std::vector<PortForward> asked{{"0.0.0.0", 1234, 80}};
  EXPECT_EQ(ports_of_clone(record, true, {.ports = asked}), asked);
  EXPECT_TRUE(ports_of_clone(record, true, {.trust_ports = true, .network = NetworkMode::kNone}).empty());
}

TEST(EgressOfClone, OfAnImportIsWhatItForbids) {
  store::SnapshotRecord record;
  const EgressRule database{.to = "10.0.0.5", .port = 5432, .protocol = {}};
  const EgressRule mail{.to = "0.0.0.0/0", .port = 25, .protocol = {}};
  record.egress = {.mode = EgressMode::kNone, .allow = {database}, .deny = {mail}};
  EXPECT_EQ(egress_of_clone(record, false, {}), record.egress);
  const Egress forbids{.mode = EgressMode::kNone, .allow = {}, .deny = {mail}};
  EXPECT_EQ(egress_of_clone(record, true, {}), forbids);
  // What it forbids stays when something else is asked for.
  const Egress with_database{.mode = EgressMode::kNone, .allow = {database}, .deny = {mail}};
  EXPECT_EQ(egress_of_clone(record, true, {.egress = {.allow = {{database}}}}), with_database);
}

TEST(EgressOfClone, IsItsSnapshotsWithWhatWasAskedFor) {
  store::SnapshotRecord record;
  const EgressRule database{.to = "10.0.0.5", .port = 5432, .protocol = {}};
  const EgressRule mail{.to = "0.0.0.0/0", .port = 25, .protocol = {}};
  record.egress = {.mode = EgressMode::kNone, .allow = {database}, .deny = {}};
  const Egress without_mail{.mode = EgressMode::kNone, .allow = {database}, .deny = {mail}};
  EXPECT_EQ(egress_of_clone(record, false, {.egress = {.deny = {{mail}}}}), without_mail);
  const Egress closed{.mode = EgressMode::kNone, .allow = {}, .deny = {}};
  EXPECT_EQ(egress_of_clone(record, false, {.egress = {.allow = {{}}}}), closed);
  const Egress open{.mode = EgressMode::kInternet, .allow = {database}, .deny = {}};
  EXPECT_EQ(egress_of_clone(record, false, {.egress = {.mode = EgressMode::kInternet}}), open);
}

TEST(LimitsOfAClone, AreItsSnapshotsWithWhatWasAskedFor) {
  store::SnapshotRecord record;
  record.vcpus = 1;
  record.limits = {.milli_cpus = 500,
                   .cpu_weight = 900,
                   .memory_mib = 9000,
                   .processes = 5000,
                   .slice = "theirs",
                   .disk_bandwidth = {.per_second = 7}};
  EXPECT_EQ(limits_of_clone(record, false, {}), record.limits);
  EXPECT_EQ(limits_of_clone(record, false, {.limits = {.slice = "mine"}}).slice, "mine");
  // All of its processor is no limit, and more than that can't be.
  EXPECT_EQ(limits_of_clone(record, false, {.limits = {.milli_cpus = 1000}}).milli_cpus, 0U);
  EXPECT_THROW(limits_of_clone(record, false, {.limits = {.milli_cpus = 1001}}), Error);
}

TEST(LimitsOfAClone, OfAnImportRestrictAndDecideNothing) {
  store::SnapshotRecord record;
  record.vcpus = 1;
  record.limits = {.milli_cpus = 500,
                   .cpu_weight = 900,
                   .memory_mib = 9000,
                   .any_memory = false,
                   .processes = 5000,
                   .slice = "theirs",
                   .disk_bandwidth = {.per_second = 7}};
  const Limits kept{
      .milli_cpus = 500, .cpu_weight = 100, .best_effort = true, .disk_bandwidth = {.per_second = 7}};
  EXPECT_EQ(limits_of_clone(record, true, {}), kept);
  // Who asks for something himself is told when it can't be had.
  EXPECT_FALSE(limits_of_clone(record, true, {.limits = {.processes = 100}}).best_effort);
}

}  // namespace
}  // namespace knaller::vm
