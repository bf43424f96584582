package main

import (
	"fmt"
	"strings"
	"time"
)

const heading = `
| work | program | s | CPU s | MB | ÷ peer, clock | ÷ peer, CPU | wanted |
|---|---|--:|--:|--:|--:|--:|---|
`

// lines is a comparison's rows in Markdown.
func lines(c comparison, results []result) string {
	var b strings.Builder
	for i, r := range results {
		work, name, wall, cpu := "", c.subjects[i].name, "", ""
		if i == 0 {
			work = c.work
		}
		if r.rounds == 1 {
			name += ", once"
		}
		if c.peer >= 0 && i != c.peer {
			p := results[c.peer]
			wall, cpu = ratio(r.wall, p.wall), ratio(r.cpu, p.cpu)
			if p.cut {
				wall, cpu = "< "+wall, "< "+cpu
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %d | %s | %s | %s |\n",
			work, name, seconds(r.wall, r.cut), seconds(r.cpu, r.cut), (r.memory+500_000)/1_000_000, wall, cpu, verdict(c, results, i))
	}
	return b.String()
}

// verdict says what was wanted of a subject, and whether it came out.
func verdict(c comparison, results []result, i int) string {
	want := c.subjects[i].want
	if want == 0 || c.peer < 0 {
		return ""
	}
	word := "met"
	if float64(results[i].wall) > want*float64(results[c.peer].wall) {
		word = "**not met**"
	}
	return "≤ " + short(want) + ": " + word
}

func ratio(ours, other time.Duration) string { return short(float64(ours) / float64(other)) }

// short is a ratio: "1/42" where ours is far below, else two digits after the point.
func short(r float64) string {
	if r > 0 && r <= 0.2 {
		return fmt.Sprintf("1/%.0f", 1/r)
	}
	return fmt.Sprintf("%.2f", r)
}

func seconds(d time.Duration, atLeast bool) string {
	text := fmt.Sprintf("%.3f", d.Seconds())
	if d >= time.Second {
		text = fmt.Sprintf("%.2f", d.Seconds())
	}
	if atLeast {
		return "> " + text
	}
	return text
}
