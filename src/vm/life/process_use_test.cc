#include "vm/life/process_use.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "base/fd.h"

namespace knaller::vm {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

// As a Firecracker of 1 GiB shows it.
constexpr std::string_view kStatus = R"(Name:	firecracker
Umask:	0077
State:	S (sleeping)
VmHWM:	  103520 kB
VmRSS:	  103520 kB
RssAnon:	   98312 kB
RssFile:	    5204 kB
RssShmem:	       4 kB
VmData:	 1074180 kB
voluntary_ctxt_switches:	7
)";

constexpr std::string_view kRollup =
    R"(55a0c0a00000-7ffd9c5fe000 ---p 00000000 00:00 0                          [rollup]
Rss:              103520 kB
Pss:               98511 kB
Pss_Dirty:         98312 kB
Pss_Anon:          98312 kB
Shared_Clean:       5200 kB
Private_Clean:         4 kB
)";

constexpr std::string_view kIo = R"(rchar: 3269032
wchar: 81920
syscr: 812
syscw: 20
read_bytes: 1409024
write_bytes: 65536
cancelled_write_bytes: 4096
)";

TEST(ProcessUse, ReadsWhatTheKernelTells) {
  const auto memory = parse_status(kStatus);
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->private_bytes, (98312u + 4) * 1024);
  EXPECT_EQ(memory->shared_bytes, 5204u * 1024);
  EXPECT_EQ(parse_pss(kRollup), 98511u * 1024);
  const auto disk = parse_io(kIo);
  ASSERT_TRUE(disk);
  EXPECT_EQ(disk->read_bytes, 1409024u);
  EXPECT_EQ(disk->written_bytes, 65536u);
  EXPECT_THAT(parse_children("17 4711 \n"), ElementsAre(17, 4711));
  EXPECT_THAT(parse_children(""), IsEmpty());
  const Operations operations = parse_io_stat(
      "254:0 rbytes=8192 wbytes=4096 rios=2 wios=1 dbytes=0 dios=0\n8:16 rbytes=1 wbytes=0 rios=5 wios=0\n");
  EXPECT_EQ(operations.reads, 7u);
  EXPECT_EQ(operations.writes, 1u);
  EXPECT_EQ(parse_control_group("12:cpu:/a\n0::/knaller/web\n"), "/knaller/web");
  EXPECT_EQ(parse_control_group("12:cpu:/a\n"), "");
}

// A zombie and a kernel's thread have no memory; old kernels and hidden files no numbers.
TEST(ProcessUse, IsUnknownWhereTheKernelTellsNothing) {
  for (const std::string_view text :
       {"", "State:\tZ (zombie)\n", "RssAnon: x kB\nRssFile: 1 kB\nRssShmem: 1 kB\n",
        "RssAnon:\t1 kB\nRssFile:\t1 kB\n"})
    EXPECT_FALSE(parse_status(text)) << text;
  EXPECT_FALSE(parse_pss("Rss: 1 kB\n"));
  EXPECT_FALSE(parse_io("read_bytes: -1\nwrite_bytes: 0\n"));
  EXPECT_FALSE(parse_io("rchar: 1\n"));
  EXPECT_THAT(parse_children("0 -1 x 99999999999\n"), IsEmpty());
  EXPECT_EQ(parse_io_stat("rios= wios=x nonsense\n").reads, 0u);
}

TEST(ProcessUse, CountsTimeOnlyOnceAndNeverBackwards) {
  using std::chrono::nanoseconds;
  const CpuTimes before{{1, nanoseconds(10)}, {2, nanoseconds(50)}, {9, nanoseconds(7)}};
  const CpuTimes now{{1, nanoseconds(15)}, {2, nanoseconds(20)}, {3, nanoseconds(4)}, {9, nanoseconds(70)}};
  // 2 is another process by now; 3 is new; 4 has ended; 9 is not asked for.
  EXPECT_EQ(time_since(before, now, {1, 2, 3, 4}), nanoseconds(5 + 0 + 4));
}

TEST(ProcessUse, CountsPerSecond) {
  using namespace std::chrono_literals;
  VmStats::Network network{
      .received_bytes = 3000, .received_packets = 3, .sent_bytes = 500, .sent_packets = 1};
  add_rates(network, {.received_bytes = 1000, .sent_bytes = 500}, 200ms);
  EXPECT_EQ(network.received_bytes_per_second, 10'000);
  EXPECT_EQ(network.sent_bytes_per_second, 0);
  VmStats::Disk disk{.read_bytes = 4096, .written_bytes = 1 << 20, .reads = 7, .writes = 30};
  add_rates(disk, {.read_bytes = 0, .written_bytes = 0, .reads = 1, .writes = 10}, 2s);
  EXPECT_EQ(disk.read_bytes_per_second, 2048);
  EXPECT_EQ(disk.written_bytes_per_second, 512 << 10);
  EXPECT_EQ(disk.reads_per_second, 3);
  EXPECT_EQ(disk.writes_per_second, 10);
}

// A process of the engine that has ended takes its share of the sum along; a control group may come later.
TEST(ProcessUse, HasNoRateOfWhatWentBackOrIsNew) {
  VmStats::Disk disk{.read_bytes = 10, .written_bytes = 30, .reads = 7, .writes = std::nullopt};
  add_rates(disk, {.read_bytes = 20, .written_bytes = 20, .reads = std::nullopt, .writes = 5},
            std::chrono::seconds(1));
  EXPECT_FALSE(disk.read_bytes_per_second);
  EXPECT_EQ(disk.written_bytes_per_second, 10);
  EXPECT_FALSE(disk.reads_per_second);
  EXPECT_FALSE(disk.writes_per_second);
}

// A process that holds memory and computes until it is told to end.
class Child {
 public:
  explicit Child(size_t memory) {
    Pipe ready = make_pipe();
    pid_ = ::fork();
    if (pid_ == 0) {
      void* held = ::mmap(nullptr, memory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      std::memset(held, 1, memory);
      const pid_t grandchild = ::fork();
      if (grandchild == 0)
        while (true) ::pause();
      // Blocked, so that it may come before it is waited for.
      sigset_t term;
      ::sigemptyset(&term);
      ::sigaddset(&term, SIGTERM);
      ::sigprocmask(SIG_BLOCK, &term, nullptr);
      write_all(ready.write_end.get(), "r", "the test");
      int number = 0;
      ::sigwait(&term, &number);
      ::kill(grandchild, SIGKILL);
      ::_exit(0);
    }
    ready.write_end.reset();
    char answer = 0;
    EXPECT_EQ(read_up_to(ready.read_end.get(), &answer, 1, "the child"), 1u);
  }
  ~Child() { end(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  // Without being reaped.
  void become_zombie() {
    ::kill(pid_, SIGTERM);
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
  }
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
};

TEST(ProcessUse, IsThatOfRealProcesses) {
  constexpr size_t kHeld = 32 << 20;
  const Child child(kHeld);
  const VmProcesses processes = processes_of(::getpid(), child.pid());
  ASSERT_EQ(processes.engine.size(), 2u);  // and its own child
  EXPECT_EQ(processes.engine.front(), child.pid());
  EXPECT_THAT(processes.helpers, Contains(::getpid()));
  EXPECT_THAT(processes.helpers, Not(Contains(child.pid())));
  CpuTimes times;
  const ProcessUse use = measure(processes.engine, true, times);
  EXPECT_EQ(use.processes, 2u);
  EXPECT_GE(use.private_bytes, kHeld);
  ASSERT_TRUE(use.pss_bytes);
  EXPECT_GE(*use.pss_bytes, kHeld);
  EXPECT_GT(use.cpu.count(), 0);
  EXPECT_EQ(times.size(), 2u);
  EXPECT_FALSE(measure(processes.engine, false, times).pss_bytes);
  measure_disk(processes);
}

TEST(ProcessUse, OfAProcessThatHasEndedIsNothing) {
  Child child(4096);
  const pid_t pid = child.pid();
  VmProcesses processes = processes_of(::getpid(), pid);
  CpuTimes times;
  child.become_zombie();
  EXPECT_EQ(measure({pid}, true, times).processes, 0u);
  child.end();
  EXPECT_EQ(measure({pid}, true, times).processes, 0u);
  EXPECT_TRUE(times.empty());
  EXPECT_EQ(measure_disk(processes).read_bytes, 0u);
  EXPECT_FALSE(measure_network(processes, "lo"));
  EXPECT_THAT(processes_of(::getpid(), pid).engine, IsEmpty());
  EXPECT_THAT(processes_of(pid, 0).engine, IsEmpty());
}

TEST(ProcessUse, HasTheCountersOfItsNetworkNamespace) {
  EXPECT_TRUE(measure_network({.engine = {::getpid()}, .helpers = {}}, "lo"));
  EXPECT_FALSE(measure_network({.engine = {::getpid()}, .helpers = {}}, "no-such-device"));
}

}  // namespace
}  // namespace knaller::vm
