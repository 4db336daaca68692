package main

import (
	"fmt"
	"strconv"
	"strings"
)

// cpuUnit returns what processor time is counted for: microseconds an operation,
// milliseconds a gigabyte, nothing for idle connections.
func (s scenario) cpuUnit() string {
	switch {
	case s.idle:
		return ""
	case s.bytes:
		return "ms/GB"
	}
	return "us/op"
}

// quantity writes a rate with at least three digits: 123,456 or 12.3 or 1.23.
func quantity(v float64) string {
	switch {
	case v >= 100:
		return thousands(int64(v + 0.5))
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// thousands puts a comma between each three digits.
func thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// micros writes microseconds in three digits, with the unit that suits.
func micros(us float64) string {
	switch {
	case us >= 1e6:
		return threeDigits(us/1e6) + " s"
	case us >= 1e3:
		return threeDigits(us/1e3) + " ms"
	}
	return threeDigits(us) + " us"
}

func threeDigits(v float64) string { return rounded(v, 99.95, 9.995) }
func twoDigits(v float64) string   { return rounded(v, 9.95, 0.995) }

// rounded writes v without decimals from whole on, with one from tenths on, and with two
// below.
func rounded(v, whole, tenths float64) string {
	decimals := 2
	switch {
	case v >= whole:
		decimals = 0
	case v >= tenths:
		decimals = 1
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// latencyText writes the median of a latency, nothing if there is none.
func latencyText(s *spread) string {
	if s == nil {
		return ""
	}
	return micros(s.Median)
}

// costText writes the median of a processor time, a dash if there is none.
func costText(s *spread) string {
	if s == nil {
		return "-"
	}
	return threeDigits(s.Median)
}

// timesText writes the ratio of rates of a row.
func timesText(r *ratioReport) string {
	if r == nil || r.Rate == 0 {
		return ""
	}
	return ratioText(r.Rate)
}

// ratioText writes a ratio, a dash for none.
func ratioText(v float64) string {
	switch {
	case v == 0:
		return "-"
	case v < 0.005:
		return "<.01 times"
	}
	return threeDigits(v) + " times"
}

// wrap breaks text into lines of up to width columns.
func wrap(text string, width int) []string {
	lines := []string{""}
	for _, word := range strings.Fields(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case len([]rune(*last))+1+len([]rune(word)) <= width:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}

func mebibytes(v float64) string { return fmt.Sprintf("%.1f MiB", v/(1<<20)) }
func kibibytes(v float64) string { return fmt.Sprintf("%.1f KiB", v/(1<<10)) }

// oneLine joins the lines of an error, and shortens it.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > 300 {
		return string(runes[:300]) + "..."
	}
	return text
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
