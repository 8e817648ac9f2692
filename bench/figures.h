// The figures of a run: samples, what they are compared with, and how they are printed. Pure but for the
// printing.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace knaller::bench {

struct Summary {
  double median = 0;
  double low = 0;   // first quartile
  double high = 0;  // third quartile
};
Summary summarise(std::vector<double> samples);

struct Figure {
  std::string name;
  std::string unit;  // "ms", "MiB"
  std::vector<double> samples;
  std::optional<double> bar;  // the median must not be above it
  std::string note;

  bool missed() const { return bar && summarise(samples).median > *bar; }
};

// One way of doing something and the raw work behind it, run in turns, so that a busy moment of the machine
// hits both. Each action returns what it took in milliseconds.
using Action = std::function<double()>;
struct Pairs {
  std::vector<double> ours;
  std::vector<double> raw;
  std::vector<double> difference;
};
Pairs run_pairs(int count, const Action& ours, const Action& raw);

std::string render_table(const std::vector<Figure>& figures);
std::string render_json(const std::vector<Figure>& figures);

// Milliseconds that an action takes.
double time_of(const std::function<void()>& action);

}  // namespace knaller::bench
