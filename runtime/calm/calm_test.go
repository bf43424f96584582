//go:build linux

package calm

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTheMonitorRests looks whether the thread that got the slack is the one
// which sleeps between two looks: no other of a busy program does so much.
func TestTheMonitorRests(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: a thread's timer slack takes CAP_SYS_NICE")
	}
	defer func() {
		if err := Monitor(0); err != nil {
			t.Error(err)
		}
	}()
	if err := Monitor(time.Millisecond); err != nil {
		t.Fatal(err)
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	var patient []string
	for _, d := range threads {
		b, err := os.ReadFile("/proc/" + d.Name() + "/timerslack_ns")
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(string(b)) == "1000000" {
			patient = append(patient, d.Name())
		}
	}
	if len(patient) != 1 {
		t.Fatalf("%v of %v have the slack", patient, threads)
	}
	nanosleep := fmt.Sprint(unix.SYS_NANOSLEEP, " ")
	asleep := map[string]int{}
	for deadline := time.Now().Add(20 * time.Second); asleep[patient[0]] < 50; { // working, or the monitor rests with everybody
		for _, d := range threads {
			b, err := os.ReadFile("/proc/self/task/" + d.Name() + "/syscall") // proc(5): number and arguments
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(string(b), nanosleep) {
				asleep[d.Name()]++
			}
		}
		if time.Now().After(deadline) {
			break
		}
	}
	for thread, n := range asleep {
		if n >= asleep[patient[0]] && thread != patient[0] {
			t.Errorf("thread %s has the slack, %s is the one that sleeps: %v", patient[0], thread, asleep)
		}
	}
	if asleep[patient[0]] == 0 {
		t.Errorf("thread %s has the slack and never sleeps", patient[0])
	}
}
