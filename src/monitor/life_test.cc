// Every state of a VM's life with every event: life_test_table.inc says what becomes of each pair.
#include "monitor/life.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "base/text.h"
#include "monitor/life_test_names.h"
#include "monitor/life_view.h"

namespace knaller::monitor::life {
namespace {

constexpr std::string_view kTable =
#include "monitor/life_test_table.inc"
    ;

// Events that mostly come to the same.
const std::map<std::string, std::vector<std::string>> kGroups{
    {"any reboot",
     {"reboot", "reboot, restored", "reboot, unwanted", "reboot, no kernel", "reboot, too often"}},
    {"any orderly end",
     {"reboot", "reboot, restored", "reboot, unwanted", "reboot, no kernel", "reboot, too often", "power off",
      "panic"}}};

using Row = std::map<std::string, std::string>;  // event -> what becomes of it

std::vector<std::string> events_of(std::string_view names) {
  std::vector<std::string> events;
  std::string rest(names);
  for (size_t bar; !rest.empty(); rest = bar == std::string::npos ? "" : rest.substr(bar + 3)) {
    bar = rest.find(" | ");
    const std::string name = rest.substr(0, bar);
    const auto group = kGroups.find(name);
    if (group == kGroups.end())
      events.push_back(name);
    else
      events.insert(events.end(), group->second.begin(), group->second.end());
  }
  return events;
}

std::map<std::string, Row> parse_table() {
  std::map<std::string, Row> table;
  Row* row = nullptr;
  for (const auto line : split(kTable, '\n')) {
    if (line.empty()) continue;
    if (!line.starts_with("  ")) {
      row = &table[std::string(line)];
      continue;
    }
    const size_t arrow = line.find(" -> ");
    for (const auto& event : events_of(line.substr(2, arrow - 2))) {
      const bool is_new = row->emplace(event, line.substr(arrow + 4)).second;
      EXPECT_TRUE(is_new) << "twice: " << event;
    }
  }
  return table;
}

std::string what_becomes_of(const State& state, const Event& event) {
  const Transition transition = step(state, event);
  std::string text = show(transition.next) == show(state) ? "stays" : show(transition.next);
  for (const auto& effect : transition.effects) text += "; " + show(effect);
  return text;
}

TEST(LifeTest, EveryPairOfAStateAndAnEventIsAsTheTableSays) {
  const auto table = parse_table();
  ASSERT_EQ(table.size(), all_states().size());
  std::set<std::string> known;
  for (const auto& state : all_states()) {
    const auto row = table.find(show(state));
    ASSERT_NE(row, table.end()) << show(state);
    for (const auto& [name, event] : all_events()) {
      known.insert(name);
      const auto cell = row->second.find(name);
      const std::string expected = cell == row->second.end() ? "stays" : cell->second;
      EXPECT_EQ(what_becomes_of(state, event), expected) << show(state) << " and '" << name << "'";
    }
  }
  for (const auto& [state, row] : table) {
    for (const auto& [event, what] : row) EXPECT_TRUE(known.contains(event)) << state << ": " << event;
  }
}

// The alternatives themselves, so that the table can't forget one that is new.
TEST(LifeTest, TheTableHasEveryStateAndEveryEvent) {
  std::set<size_t> states;
  for (const auto& state : all_states()) states.insert(state.index());
  EXPECT_EQ(states.size(), std::variant_size_v<State>);
  std::set<size_t> events;
  for (const auto& [name, event] : all_events()) events.insert(event.index());
  EXPECT_EQ(events.size(), std::variant_size_v<Event>);
}

template <class E>
size_t count(const std::vector<Effect>& effects) {
  return static_cast<size_t>(std::count_if(effects.begin(), effects.end(), [](const Effect& effect) {
    return std::holds_alternative<E>(effect);
  }));
}

// Whatever comes in whatever order: the directory is left once, as what it is by then.
TEST(LifeTest, ALifeEndsOnceAndNothingThatWasCommittedIsUndone) {
  std::mt19937 random(20261129);
  const auto events = all_events();
  std::uniform_int_distribution<size_t> any(0, events.size() - 1);
  for (int walk = 0; walk < 1000; ++walk) {
    State state;
    size_t ends = 0;
    bool committed = false;
    for (int i = 0; i < 40; ++i) {
      const Transition next = step(state, events[any(random)].second);
      if (count<TellCommitted>(next.effects) > 0) committed = true;
      const size_t undone = count<Undo>(next.effects);
      const size_t ended = count<End>(next.effects);
      EXPECT_FALSE(undone > 0 && committed);
      EXPECT_FALSE(ended > 0 && !committed);
      ends += undone + ended;
      EXPECT_EQ(std::holds_alternative<Ended>(next.next), ends > 0);
      state = next.next;
    }
    EXPECT_LE(ends, 1u);
  }
}

TEST(LifeTest, AnEndedVmStaysSo) {
  for (const auto& [name, event] : all_events()) {
    EXPECT_TRUE(std::holds_alternative<Ended>(step(Ended{}, event).next)) << name;
  }
}

// --- what others may ask and see

// Those that are refused in a state, with why.
std::string refusals(const State& state) {
  std::map<std::string, std::string> by_reason;
  for (int number = 0; !to_text(static_cast<Op>(number)).empty(); ++number) {
    const auto op = static_cast<Op>(number);
    if (const auto error = refusal(state, op))
      by_reason[error->what()] += (by_reason[error->what()].empty() ? "" : " ") + std::string(to_text(op));
  }
  std::string text;
  for (const auto& [reason, ops] : by_reason)
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", reason, ops);
  return text;
}

TEST(LifeViewTest, RequestsAreRefusedAsTheStateHasIt) {
  const std::string before = "the VM is being started: wait stop set lease pause resume release leave_paused";
  const std::string booting = "the guest is just booting again: lease";
  const std::string stopping = "the VM is being stopped: lease pause";
  const std::map<std::string, std::string> other{{"Running (down)", booting},
                                                 {"Running (coming up)", booting},
                                                 {"Running (up)", ""},
                                                 {"Running (dying, broken: broken)", booting},
                                                 {"Running (dying, stood still)", ""}};
  for (const auto& state : all_states()) {
    const auto found = other.find(show(state));
    const bool is_stopping = std::holds_alternative<Stopping>(state);
    const std::string expected = found != other.end() ? found->second : is_stopping ? stopping : before;
    EXPECT_EQ(refusals(state), expected) << show(state);
  }
}

TEST(LifeViewTest, StatusSaysWhatTheStateIs) {
  const std::set<std::string> asks{"AwaitingCommit (up)", "AwaitingCommit (dying, stood still)",
                                   "Running (up)", "Running (dying, stood still)"};
  const std::set<std::string> stops{"Stopping (up)", "Stopping (up; guest asked)",
                                    "Stopping (dying, stood still; guest asked)",
                                    "Stopping (dying, asked: asked; guest asked)"};
  for (const auto& state : all_states()) {
    const Standing expected = asks.contains(show(state))    ? Standing::kAskTheEngine
                              : stops.contains(show(state)) ? Standing::kStopping
                                                            : Standing::kStarting;
    EXPECT_EQ(standing(state), expected) << show(state);
  }
}

TEST(LifeViewTest, AHaltIsOnlySeenOfAGuestThatIsUp) {
  const std::set<std::string> up{"Starting (up)", "AwaitingCommit (up)", "Running (up)", "Stopping (up)",
                                 "Stopping (up; guest asked)"};
  for (const auto& state : all_states()) {
    EXPECT_EQ(guest_is_up(state), up.contains(show(state))) << show(state);
  }
}

TEST(LifeViewTest, TheLauncherHearsWhatItWaitsFor) {
  for (const auto& state : all_states()) {
    const std::string name = show(state);
    const bool before =
        name.starts_with("Awaiting") || name.starts_with("Starting") || name.starts_with("Undoing");
    EXPECT_EQ(launcher_hears_console(state), before) << name;
    EXPECT_EQ(launcher_hears_phases(state), name.starts_with("Starting")) << name;
    EXPECT_EQ(stop_is_asked(state), name.starts_with("Stopping")) << name;
  }
}

}  // namespace
}  // namespace knaller::monitor::life
