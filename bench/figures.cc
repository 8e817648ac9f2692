#include "figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

namespace knaller::bench {
namespace {

// Between the two samples that surround it.
double quantile(const std::vector<double>& sorted, double part) {
  const double place = part * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}

}  // namespace

Summary summarise(std::vector<double> samples) {
  if (samples.empty()) return {};
  std::sort(samples.begin(), samples.end());
  return {.median = quantile(samples, 0.5), .low = quantile(samples, 0.25), .high = quantile(samples, 0.75)};
}

Pairs run_pairs(int count, const Action& ours, const Action& raw) {
  // The first of each pays for cold caches.
  ours();
  raw();
  Pairs pairs;
  for (int i = 0; i < count; ++i) {
    const bool ours_first = i % 2 == 0;
    const double first = ours_first ? ours() : raw();
    const double second = ours_first ? raw() : ours();
    pairs.ours.push_back(ours_first ? first : second);
    pairs.raw.push_back(ours_first ? second : first);
    pairs.difference.push_back(pairs.ours.back() - pairs.raw.back());
  }
  return pairs;
}

std::string render_table(const std::vector<Figure>& figures) {
  std::string table = fmt::format("{:<58} {:>10} {:>19} {:>8}\n", "", "median", "quartiles", "bar");
  for (const Figure& figure : figures) {
    const Summary summary = summarise(figure.samples);
    const int decimals = figure.unit.empty() ? 2 : 1;  // a ratio, or not
    table += fmt::format("{0:<58} {2:>7.{1}f} {3:<3}{4:>8.{1}f} – {5:>8.{1}f} {6:>8}{7}{8}\n", figure.name,
                         decimals, summary.median, figure.unit, summary.low, summary.high,
                         figure.bar ? fmt::format("≤ {:g}", *figure.bar) : "",
                         figure.missed() ? "  missed" : "", figure.note.empty() ? "" : "  " + figure.note);
  }
  return table;
}

std::string render_json(const std::vector<Figure>& figures) {
  nlohmann::json rows = nlohmann::json::array();
  for (const Figure& figure : figures) {
    const Summary summary = summarise(figure.samples);
    nlohmann::json row = {{"name", figure.name},      {"unit", figure.unit},  {"median", summary.median},
                          {"low", summary.low},       {"high", summary.high}, {"samples", figure.samples},
                          {"missed", figure.missed()}};
    if (figure.bar) row["bar"] = *figure.bar;
    if (!figure.note.empty()) row["note"] = figure.note;
    rows.push_back(std::move(row));
  }
  return nlohmann::json{{"schema", 1}, {"figures", rows}}.dump(2) + "\n";
}

double time_of(const std::function<void()>& action) {
  const auto begin = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace knaller::bench
