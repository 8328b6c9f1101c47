package main

import (
	"path/filepath"
	"strings"
	"testing"

	"sourire/hub/app"
	"sourire/internal/sqlite"
)

// harm does something to the roll-ups of a hub's store, which may be in use.
func harm(t *testing.T, query string) {
	t.Helper()
	db, err := sqlite.Open(filepath.Join("sourire-hub-data", app.FileName), sqlite.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Write.Exec(query); err != nil {
		t.Fatal(err)
	}
}

// A rebuild repairs what verify finds, without a hub and beside one.
func TestRebuild(t *testing.T) {
	t.Chdir(t.TempDir())
	if status, _, errs := call(t, "rebuild"); status != 1 || !strings.Contains(errs, "sourire-hub-data") {
		t.Errorf("without a hub's folder: got status %d, %q", status, errs)
	}
	write(t, "history.csv", "at,note\n2024-03-01 10:00:00,2\n2024-03-01 23:30:00,1\n2024-03-02 10:00:00,0\n")
	if status, _, errs := call(t, "import", "--csv", "history.csv", "--time-column=at", "--rating-column=note", "--site=lyon"); status != 0 {
		t.Fatalf("got status %d, %q", status, errs)
	}
	repaired := func(query string) {
		t.Helper()
		harm(t, query)
		if status, _, _ := call(t, "verify"); status == 0 {
			t.Errorf("%s: verify finds nothing", query)
		}
		if status, out, errs := call(t, "rebuild"); status != 0 || !strings.Contains(out, "derived anew") || !strings.Contains(errs, "rebuild: ") {
			t.Errorf("%s: got status %d, %q, %q", query, status, out, errs)
		}
		if status, out, _ := call(t, "verify"); status != 0 {
			t.Errorf("%s: verify says %s", query, out)
		}
	}
	repaired("UPDATE cell SET presses = presses + 1")
	repaired("DELETE FROM visit")

	s := app.Defaults()
	s.Web.Listen, s.Broker.Listen = "127.0.0.1:0", "127.0.0.1:0"
	hub, err := app.New(t.Context(), app.Options{Settings: s})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := hub.Stop(); err != nil {
			t.Error(err)
		}
	}()
	repaired("UPDATE cell SET presses = presses + 1")
	repaired("UPDATE day SET s1 = s1 + 1")
	repaired("UPDATE visit SET rating = 2 - rating")
}
