package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"sourire/hub/app"
	"sourire/internal/sqlite"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"sourire-hub": func() { os.Exit(program(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

func TestCommand(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Cmds: map[string]func(*testscript.TestScript, bool, []string){
		"age": func(ts *testscript.TestScript, _ bool, args []string) {
			ts.Check(age(ts.MkAbs("sourire-hub-data/hub.db"), args[0]))
		},
	}})
}

// age makes everything in a store older by some days.
func age(path, days string) (err error) {
	db, err := sqlite.Open(path, sqlite.Options{MustExist: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, statement := range []string{
		"UPDATE record SET day = day - ?", "UPDATE checkpoint SET day = day - ?", "UPDATE comment SET at = at - 86400000 * ?",
	} {
		if _, err := db.Write.Exec(statement, days); err != nil {
			return err
		}
	}
	return nil
}

// An export runs beside a serving hub, an import does not.
func TestExport_besideTheHub(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "h.csv", "time,rating\n2024-05-06 10:00,2\n")
	csv := []string{"import", "--csv=h.csv", "--time-column=time", "--rating-column=rating", "--site=lyon"}
	if status, _, errs := call(t, csv...); status != 0 {
		t.Fatalf("got status %d: %s", status, errs)
	}
	s := app.Defaults()
	s.Web.Listen, s.Broker.Listen = "127.0.0.1:0", "127.0.0.1:0"
	hub, err := app.New(context.Background(), app.Options{Settings: s, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	status, out, errs := call(t, "export", "out")
	if status != 0 || !strings.Contains(out, "1 presses in 1 visits") {
		t.Errorf("got status %d: %s%s", status, out, errs)
	}
	for _, args := range [][]string{csv, {"import", "out"}} {
		status, _, errs := call(t, args...)
		if status != 1 || !strings.Contains(errs, "the hub must not run") {
			t.Errorf("got status %d: %s", status, errs)
		}
		if status, _, errs = call(t, append(args, "--dry-run")...); status != 0 {
			t.Errorf("a dry run: got status %d: %s", status, errs)
		}
	}
	if err := hub.Stop(); err != nil {
		t.Error(err)
	}
}
