package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sourire/hub/app"
	"sourire/hub/ingest"
	"sourire/hub/store/sqlstore"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/wire"
)

// windowTags are those of the released kiosk with a window.
const windowTags = "gui,x11,gles,no_emoji,migrated_fynedo"

// The colours by which a test knows what is on the screen.
var (
	questionGround = color.RGBA{0xf7, 0xf5, 0xf1, 0xff}
	thanksGround   = color.RGBA{0x1d, 0x5c, 0x8f, 0xff}
	worstFace      = color.RGBA{0xc2, 0x57, 0x1a, 0xff}
)

// needWindow ends the test where a window cannot be built or shown.
func needWindow(t *testing.T) {
	t.Helper()
	var missing []string
	for _, program := range []string{"gcc", "pkg-config", "Xvfb", "xdotool"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
		}
	}
	for _, header := range []string{"x11", "xcursor", "xrandr", "xi", "xinerama", "xxf86vm", "gl", "egl", "glesv2"} {
		if len(missing) == 0 && exec.Command("pkg-config", "--exists", header).Run() != nil {
			missing = append(missing, "the headers of "+header)
		}
	}
	switch {
	case len(missing) == 0:
	case os.Getenv("CI") == "true":
		t.Fatalf("a window needs %s: run .ci/deps", strings.Join(missing, ", "))
	default:
		t.Skipf("a window needs %s: run .ci/deps", strings.Join(missing, ", "))
	}
}

// display is an X server without a screen.
type display struct {
	t     *testing.T
	name  string
	frame string // file of what is shown, in the format of xwd
}

func startDisplay(t *testing.T, size image.Point) *display {
	t.Helper()
	dir := t.TempDir()
	named, name, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer named.Close()
	var log bytes.Buffer
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-nolisten", "tcp", "-noreset", "-fbdir", dir,
		"-screen", "0", fmt.Sprintf("%dx%dx24", size.X, size.Y))
	cmd.ExtraFiles = []*os.File{name}
	cmd.Stderr = &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = cmd.Start()
	name.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	number, err := io.ReadAll(named) // until the server has told it and closed
	if err != nil || len(number) == 0 {
		t.Fatalf("Xvfb: no display: %v\n%s", err, &log)
	}
	return &display{t: t, name: ":" + strings.TrimSpace(string(number)), frame: filepath.Join(dir, "Xvfb_screen0")}
}

// do gives an order to xdotool.
func (d *display) do(order string, args ...any) {
	d.t.Helper()
	cmd := exec.Command("xdotool", strings.Fields(fmt.Sprintf(order, args...))...)
	cmd.Env = append(os.Environ(), "DISPLAY="+d.name)
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("xdotool %s: %v\n%s", cmd.Args[1:], err, out)
	}
}

// frameFormat is how the display's file is laid out (X11/XWDFile.h, version 7).
type frameFormat struct {
	size         image.Point
	stride, data int
}

func (d *display) read(from int, into []byte) {
	d.t.Helper()
	file, err := os.Open(d.frame)
	if err != nil {
		d.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.ReadAt(into, int64(from)); err != nil {
		d.t.Fatal(err)
	}
}

func (d *display) format() frameFormat {
	d.t.Helper()
	head := make([]byte, 100)
	d.read(0, head)
	field := func(i int) int { return int(binary.BigEndian.Uint32(head[4*i:])) }
	if field(1) != 7 || field(11) != 32 {
		d.t.Fatalf("%s is no picture with 32 bits a pixel", d.frame)
	}
	return frameFormat{image.Pt(field(4), field(5)), field(12), field(0) + 12*field(19)}
}

// pixel returns what is on the display at a place.
func (d *display) pixel(at image.Point) color.RGBA {
	d.t.Helper()
	f := d.format()
	p := make([]byte, 4)
	d.read(f.data+at.Y*f.stride+4*at.X, p)
	return color.RGBA{p[2], p[1], p[0], 0xff}
}

// picture returns everything that is on the display.
func (d *display) picture() *image.RGBA {
	d.t.Helper()
	f := d.format()
	all := make([]byte, f.stride*f.size.Y)
	d.read(f.data, all)
	picture := image.NewRGBA(image.Rectangle{Max: f.size})
	for y := range f.size.Y {
		for x := range f.size.X {
			p := all[y*f.stride+4*x:]
			picture.SetRGBA(x, y, color.RGBA{p[2], p[1], p[0], 0xff})
		}
	}
	return picture
}

// await waits until a pixel has a colour.
func (d *display) await(what string, at image.Point, want color.RGBA) {
	d.t.Helper()
	var got color.RGBA
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); <-time.After(time.Millisecond) {
		if got = d.pixel(at); got == want {
			return
		}
	}
	d.keep("failed")
	d.t.Fatalf("%s: got colour %v at %v, want %v", what, got, at, want)
}

// keep writes what is shown into a folder, for a person to look at, if somebody
// wants it.
func (d *display) keep(name string) {
	d.t.Helper()
	dir := os.Getenv("SOURIRE_ARTEFACTS")
	if dir == "" {
		return
	}
	var out bytes.Buffer
	err := errors.Join(png.Encode(&out, d.picture()), os.MkdirAll(dir, 0o700),
		os.WriteFile(filepath.Join(dir, "window-"+name+".png"), out.Bytes(), 0o600))
	if err != nil {
		d.t.Error(err)
	}
}

// storedPresses returns the presses that a hub has stored, in order.
func storedPresses(t *testing.T, store *sqlstore.Store) []feedback.Press {
	t.Helper()
	var all []feedback.Press
	for _, f := range storedFacts(t, store) {
		if p, ok := f.(feedback.Press); ok {
			all = append(all, p)
		}
	}
	return all
}

// storedFacts returns what a hub has stored, in order.
func storedFacts(t *testing.T, store *sqlstore.Store) []feedback.Fact {
	t.Helper()
	ctx := t.Context()
	var all []feedback.Fact
	err := store.Snapshot(ctx, func(r verify.Reader) error {
		sources, err := r.Sources(ctx)
		for _, s := range sources {
			err = errors.Join(err, r.Rows(ctx, s.Key, func(row ingest.Row) error {
				record, err := wire.DecodeRecord(row.Body)
				all = append(all, record.Fact)
				return err
			}))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// buildWindow builds the kiosk with a window.
func buildWindow(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "sourire-kiosk-window")
	began := time.Now()
	build := exec.Command("go", "build", "-p", "1", "-trimpath", "-tags", windowTags, "-o", program, "sourire/kiosk")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	t.Logf("built in %v", time.Since(began).Round(time.Second))
	return program
}

// A real window on a real X server: each face is pressed with a mouse, and the
// press is thanked for and in the hub's store while the button is still down.
func TestWindow_press(t *testing.T) {
	needWindow(t)
	program := buildWindow(t)
	s := hubSettings(t)
	hub := startHub(t, s)
	store, err := sqlstore.Open(context.Background(), filepath.Join(s.Data, app.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	d := startDisplay(t, image.Pt(1280, 800))
	t.Setenv("DISPLAY", d.name)
	data, home, scratch := filepath.Join(t.TempDir(), "kiosk"), t.TempDir(), t.TempDir()
	for name, value := range map[string]string{"HOME": home, "TMPDIR": scratch, "XDG_CACHE_HOME": "", "XDG_CONFIG_HOME": ""} {
		t.Setenv(name, value)
	}
	began := time.Now()
	kiosk := startProgram(t, program, "run", "--window", "--data", data, "--kiosk.id", "window", "--kiosk.scale", "smiley3",
		"--hub.address", hub.BrokerAddr(), "--hub.key", hub.Key())

	var want []feedback.Press
	awaitStored := func(more ...feedback.Press) {
		t.Helper()
		want = append(want, more...)
		var got []feedback.Press
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); <-time.After(10 * time.Millisecond) {
			if got = storedPresses(t, store); len(got) >= len(want) {
				break
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got presses %v in the hub, want %v\n%s", got, want, kiosk.out)
		}
	}
	flow := int64(0)
	for _, size := range []image.Point{{800, 480}, {1280, 800}} {
		d.do("search --sync --onlyvisible --name Sourire windowmove %%1 0 0 windowsize --sync %%1 %d %d", size.X, size.Y)
		head, beside := image.Pt(size.X-8, 8), image.Pt(8, 8) // the pointer covers what is under it
		ask := func() {
			t.Helper()
			d.await("the question", head, questionGround)
			d.await("the worst face", image.Pt(faceX(size, 0), size.Y*42/100), worstFace)
		}
		ask()
		if len(want) == 0 {
			t.Logf("first face after %v", time.Since(began).Round(time.Millisecond))
		}
		name := strconv.Itoa(size.X) + "x" + strconv.Itoa(size.Y)
		d.keep(name + "-faces")
		for place := range 3 {
			flow++
			d.do("mousemove %d %d", faceX(size, place), size.Y*58/100)
			began = time.Now()
			d.do("mousedown 1")
			d.await("thanks", head, thanksGround)
			t.Logf("thanks on disk and on the screen after %v", time.Since(began).Round(time.Millisecond))
			d.keep(name + "-thanks")
			if place == 0 { // she changes her mind, within four seconds
				d.do("mouseup 1 mousemove %d %d click 1", faceX(size, 2), size.Y*58/100)
				awaitStored(feedback.Press{Rating: 0, Flow: flow}, feedback.Press{Rating: 2, Flow: flow})
			} else {
				awaitStored(feedback.Press{Rating: place, Flow: flow})
				d.do("mouseup 1")
			}
			d.do("mousemove %d %d click 1", beside.X, beside.Y) // and goes
			ask()
		}
	}
	if err := kiosk.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := kiosk.cmd.Wait(); err != nil {
		t.Errorf("the kiosk ended with %v\n%s", err, kiosk.out)
	}
	for _, folder := range []string{home, scratch} {
		if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
			t.Errorf("the window left %v behind, %v", left, err)
		}
	}
	if got := proved(t, s).Findings[0].Presses; got != int64(len(want)) {
		t.Errorf("verify: got %d presses, want %d", got, len(want))
	}
}

// faceX returns where the middle of a face is, of three.
func faceX(size image.Point, place int) int { return size.X/2 + (place-1)*size.X*31/100 }
