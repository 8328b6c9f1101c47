package main

import (
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"sourire-kiosk": func() { os.Exit(program(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

func TestCommand(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			// Nobody listens there.
			e.Setenv("SOURIRE_KIOSK_HUB_ADDRESS", "mqtt://127.0.0.1:1")
			return nil
		},
	})
}

// status says what to do while there is next to no room.
func TestReport_room(t *testing.T) {
	for days, want := range map[float64]string{
		0.4: "for less than a day: free some space on the disk, or raise journal.max_size",
		1.2: "for 1 day at this kiosk's pace",
		9e9: "for 1000000 days at",
	} {
		if got := (report{DaysLeft: days}).room(); !strings.HasPrefix(got, want) {
			t.Errorf("%v days: got %q, want %q", days, got, want)
		}
	}
}

// status claims nothing of a link of which nothing was noted.
func TestReport_link(t *testing.T) {
	if got := (report{Running: true}).link(); got != "it is not known yet whether it answers" {
		t.Errorf("got %q", got)
	}
}
