package vmtest

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sourire/internal/vmtest/agent"
)

// session is a machine that was pressed, and after which entry of its disk's log
// each press was thanked.
type session struct {
	disk    *disk
	thanked []int
	pressed int
}

// play has a kiosk without a hub pressed so many times, with its plug never pulled:
// the cuts are made afterwards, of its disk's log.
func play(t *testing.T, kiosk, mountOptions string, presses int) session {
	t.Helper()
	d := serveDisk(t, newDisk(t))
	m := Start(t, Options{Files: map[string]string{program: kiosk}, Disk: d.address()})
	m.Ask(agent.Request{Do: agent.Mount, Name: "/dev/vda", Path: "/data", Text: mountOptions})
	m.kiosk("mqtt://127.0.0.1:1")
	m.listening()
	s := session{disk: d, pressed: presses}
	for i := range presses {
		m.forget()
		m.Down(i % 3)
		if _, ok := m.Lit(buzzer, true, answers); !ok {
			t.Fatalf("nobody was thanked\n%s", m.console)
		}
		s.thanked = append(s.thanked, d.written())
		m.Up(i % 3)
		if _, ok := m.Lit(buzzer, false, answers); !ok {
			t.Fatal("the thanks do not end")
		}
	}
	m.Kill()
	return s
}

// cut pulls the plug somewhere, has the shipped kiosk start on what is left, and
// returns how many presses were thanked by then and how many it has.
func (s session) cut(t *testing.T, kiosk string, r *rand.Rand) (thanked, has int, whole bool) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "cut")
	after := s.thanked[0] + r.IntN(s.disk.written()-s.thanked[0]+1)
	if r.IntN(2) == 0 {
		after = s.thanked[r.IntN(len(s.thanked))] // the very moment of a thanks
	}
	for _, at := range s.thanked {
		if at <= after {
			thanked++
		}
	}
	if err := s.disk.cut(image, after, r); err != nil {
		t.Fatal(err)
	}
	m := Start(t, Options{Files: map[string]string{program: kiosk}, Disk: image})
	m.Ask(agent.Request{Do: agent.Mount, Name: "/dev/vda", Path: "/data"})
	m.kiosk("mqtt://127.0.0.1:1")
	m.listening()
	out, _ := m.Run(program, "status", "--data", data, "--json")
	var status struct{ Presses, Epochs int }
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		t.Fatalf("status: %v\n%s\n%s", err, out, m.console)
	}
	m.press(0) // it works
	m.Kill()
	os.Remove(image)
	return thanked, status.Presses, status.Epochs == 1
}

// The plug is pulled at any moment: every press that was thanked is there, the
// journal is whole, and the kiosk works.
func TestPower(t *testing.T) { testPower(t, 24, 6, 1) }

func testPower(t *testing.T, presses, cuts int, seed uint64) {
	kiosk := build(t, "./kiosk")
	s := play(t, kiosk, "", presses)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range cuts {
		thanked, has, whole := s.cut(t, kiosk, r)
		if has < thanked || has > s.pressed || !whole {
			t.Errorf("cut %d: %d presses were thanked, %d are there, whole: %v", i, thanked, has, whole)
		}
	}
	t.Logf("%d cuts", cuts)
}

// The rig is not blind: where nothing is flushed, because the file system was told
// not to, or SQLite was, presses vanish.
func TestPower_control(t *testing.T) {
	t.Run("nobarrier", func(t *testing.T) { testControl(t, 24, 12, "nobarrier", build(t, "./kiosk")) })
	t.Run("synchronous NORMAL", func(t *testing.T) { testControl(t, 24, 12, "", buildCareless(t)) })
}

// buildCareless builds a kiosk whose commits do not wait for the disk.
func buildCareless(t *testing.T) string {
	t.Helper()
	const file = "internal/sqlite/sqlite.go"
	source, err := os.ReadFile(filepath.Join("..", "..", file))
	if err != nil {
		t.Fatal(err)
	}
	careless := strings.Replace(string(source), `return "2"`, `return "1"`, 1)
	if careless == string(source) {
		t.Fatalf("%s does not say 2 (FULL) where it is looked for", file)
	}
	dir := t.TempDir()
	instead, overlay := filepath.Join(dir, "sqlite.go"), filepath.Join(dir, "overlay.json")
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, file): instead}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{instead: []byte(careless), overlay: replace} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return compile(t, "./kiosk", "GOOS=linux", "GOARCH=arm64", "GOFLAGS=-overlay="+overlay)
}

func testControl(t *testing.T, presses, cuts int, mountOptions, kiosk string) {
	s := play(t, kiosk, mountOptions, presses)
	r := rand.New(rand.NewPCG(1, 0))
	for range cuts {
		if lost := s.losesOne(t, r); lost {
			return
		}
	}
	t.Errorf("%d cuts lost nothing: the rig is blind", cuts)
}

// losesOne reports whether a cut loses a press that was thanked, or breaks the disk.
func (s session) losesOne(t *testing.T, r *rand.Rand) bool {
	t.Helper()
	image := filepath.Join(t.TempDir(), "cut")
	after := s.thanked[len(s.thanked)-1]
	if err := s.disk.cut(image, after, r); err != nil {
		t.Fatal(err)
	}
	// What no machine needs to be started for: a file system beyond repair.
	if out, err := exec.Command("e2fsck", "-p", image).CombinedOutput(); err != nil && strings.Contains(string(out), "UNEXPECTED INCONSISTENCY") {
		return true
	}
	m := Start(t, Options{Files: map[string]string{program: build(t, "./kiosk")}, Disk: image})
	m.Ask(agent.Request{Do: agent.Mount, Name: "/dev/vda", Path: "/data"})
	m.kiosk("mqtt://127.0.0.1:1")
	m.listening()
	out, _ := m.Run(program, "status", "--data", data, "--json")
	var status struct{ Presses, Epochs int }
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		return true
	}
	m.Kill()
	os.Remove(image)
	return status.Presses < len(s.thanked) || status.Epochs != 1
}
