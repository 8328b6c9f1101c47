package main

import (
	"bufio"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sourire/hub/app"
	"sourire/hub/store/sqlstore"
	"sourire/hub/verify"
)

// TestMain lets the test's own program be the hub, as the bench's is.
func TestMain(m *testing.M) {
	if len(os.Args) == 5 && os.Args[1] == "-hub" && os.Args[3] == "-postgres" {
		if err := beHub(os.Args[2], os.Args[4], os.Stdin, os.Stdout); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// Every figure is measured and printed. How large it is, no test says.
func TestProgram_short(t *testing.T) {
	data := t.TempDir()
	results := filepath.Join(t.TempDir(), "results.txt")
	var out strings.Builder
	if err := program(t.Context(), options{short: true, data: data, write: results, profile: t.TempDir()}, nil, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"cores", "file system", "bare insert of the same rows", "full batches of 500", "full batches of 200",
		"single presses", "CPU of the hub", "into PostgreSQL", "backlog", "idle", "resident", "not measured: " + leftOut, "durable on the kiosk", "light load", "99 of 100",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table does not say %q", want)
		}
	}
	if written, err := os.ReadFile(results); err != nil || string(written) != out.String() {
		t.Errorf("got %v and %q written, want what is printed", err, written)
	}
	if left, err := os.ReadDir(data); err != nil || len(left) != 0 {
		t.Errorf("got %v, %v left behind, want nothing", left, err)
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

func TestResults_lines(t *testing.T) {
	folder := t.TempDir()
	r, err := measure(t.Context(), short(), folder, "")
	if err != nil {
		t.Fatal(err)
	}
	proved(t, folder)
	for _, l := range r.lines() {
		if l.missing != "" {
			if (l.figure != peerFigure || l.missing != leftOut) && os.Getenv("CI") == "true" {
				t.Errorf("%s: not measured: %s", l.figure, l.missing)
			}
			continue
		}
		for _, x := range []float64{l.ratio, l.low, l.high} {
			if math.IsNaN(x) || math.IsInf(x, 0) || x <= 0 {
				t.Errorf("%s: got %v, want a figure", l.figure, x)
			}
		}
		if strings.Contains(l.absolute, "NaN") || strings.Contains(l.absolute, "Inf") {
			t.Errorf("%s: got %s, want figures", l.figure, l.absolute)
		}
	}
}

// proved fails the test where the hub did not do what was measured.
func proved(t *testing.T, folder string) {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), filepath.Join(hubSettings(folder, "").Data, app.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	r, err := verify.Run(t.Context(), store, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	presses := map[string]int64{}
	for _, f := range r.Findings {
		kind, _, _ := strings.Cut(string(f.Source.Key.Kiosk), "-")
		presses[kind] += f.Presses
		r.Problems = append(r.Problems, f.Problems...)
	}
	for _, p := range r.Problems {
		t.Error(p)
	}
	for _, kind := range []string{"full", "single", "calm", "beside", "backlog"} {
		if presses[kind] == 0 {
			t.Errorf("no press of the kiosks called %s is stored", kind)
		}
	}
}

func TestSamples_at(t *testing.T) {
	s := samples{4, 1, 3, 2}
	for q, want := range map[float64]float64{0: 1, 0.5: 2, 0.51: 3, 0.99: 4, 1: 4} {
		if got := s.at(q); got != want {
			t.Errorf("at %v: got %v, want %v", q, got, want)
		}
	}
	if got := (samples{}).at(0.5); !math.IsNaN(got) {
		t.Errorf("got %v of nothing, want NaN", got)
	}
}

// A goal that is missed is a word in the table, and what could not be measured
// says why.
func TestResults_table(t *testing.T) {
	for _, c := range []struct {
		goal  goal
		ratio float64
		want  string
	}{
		{goal{}, 3, "-"},
		{goal{atLeast: 0.5}, 0.5, "yes"},
		{goal{atLeast: 0.5}, 0.49, "SHORT"},
		{goal{atMost: 3}, 3, "yes"},
		{goal{atMost: 3}, 3.1, "SHORT"},
		{goal{atMost: 3}, math.NaN(), "SHORT"},
		{goal{atLeast: 3}, math.NaN(), "SHORT"},
	} {
		if got := c.goal.verdict(c.ratio); got != c.want {
			t.Errorf("%v of %v: got %s, want %s", c.ratio, c.goal, got, c.want)
		}
	}
	r := results{postgres: postgresResult{missing: "no server"}, peer: peerResult{missing: "node is missing"}}
	for _, want := range []string{"SHORT", "not measured: no server", "not measured: node is missing"} {
		if table := r.table(); !strings.Contains(table, want) {
			t.Errorf("the table does not say %q:\n%s", want, table)
		}
	}
}

// The CPU of a process is that of its children too, alive or not.
func TestTreeCPU(t *testing.T) {
	// The first shell ends and is awaited; the second waits for a line.
	const work = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"
	cmd := exec.Command("sh", "-c", "sh -c '"+work+"'; sh -c '"+work+"; echo done; read line'; :")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	got := treeCPU(cmd.Process.Pid)
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	want := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if off := (got - want).Abs(); want == 0 || off > want/4+20*time.Millisecond {
		t.Errorf("got %v, want %v as the system counted it in the end", got, want)
	}
}

// A peer that cannot be had is no failure, and the table says what is missing.
func TestChallenge_missing(t *testing.T) {
	path := t.TempDir()
	t.Setenv("PATH", path)
	missing := func() string {
		t.Helper()
		s := &onServer{bench: &bench{folder: t.TempDir(), plan: plan{server: serverPlan{peer: true}}}}
		d, err := s.challenge(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(d.round(), d.end()); err != nil {
			t.Error(err)
		}
		return s.results.peer.missing
	}
	if got, want := missing(), "node is missing"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, program := range []string{"node", "npm", "mosquitto"} {
		if err := os.WriteFile(filepath.Join(path, program), []byte("#!/bin/sh\necho no registry; exit 1\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := missing(), "npm ci does not get its packages: exit status 1: no registry"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
