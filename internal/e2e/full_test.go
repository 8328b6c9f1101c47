package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sourire/internal/disktest"
)

// The disk of the hub's data fills up in the middle of a burst. Nothing is
// acknowledged that is not stored; the hub says so to whoever looks after it and on
// its page, and when there is space again it goes on by itself.
func TestPrograms_diskFull(t *testing.T) {
	s := openShop(t, false)
	disk := disktest.Mount(t, s.path("hub"), 64<<20)
	s.serve()
	t.Cleanup(s.hub.kill) // before the disk goes
	saysWithin(t, s.web, ingests, takeOverWithin)
	fleet := s.simulate("sim", "--kiosks", "3", "--per-hour", "10800", "--count", "40", "--settle", "90s")
	ended := make(chan error, 1)
	go func() { ended <- fleet.cmd.Wait() }()
	pressed := func(n int) func() bool { return func() bool { return s.pressed()[""] >= n } }
	awaits(t, "presses", 60*time.Second, pressed(20))
	disk.Fill()
	full := s.pressed()[""]
	saysWithin(t, s.web, "the store refuses writes", 30*time.Second)
	if page := pageText(t, s.web); !strings.Contains(page, "The hub cannot write.") {
		t.Errorf("the page does not say that nothing can be stored:\n%s", page)
	}
	stored := pageNumber(t, s.web, "stored")
	awaits(t, "presses beside a full disk", 60*time.Second, pressed(full+30))
	if got := pageNumber(t, s.web, "stored"); got != stored {
		t.Errorf("the page says %d stored, and %d when the disk was full", got, stored)
	}
	disk.Free()
	saysWithin(t, s.web, "ok\n", 60*time.Second)
	select {
	case err := <-ended:
		if err != nil {
			t.Fatalf("the kiosks: %v\n%s\nhub:\n%s", err, fleet.out, s.hub.out)
		}
	case <-time.After(2 * time.Minute):
		t.Fatalf("the kiosks never ended\n%s\nhub:\n%s", fleet.out, s.hub.out)
	}
	if !strings.Contains(s.hub.out.String(), "the disk is full, free some space") {
		t.Errorf("the hub's log does not say what to do:\n%s", s.hub.out)
	}
	if sum := s.agree(0); sum.Pressed != 120 {
		t.Errorf("got %v, want 120 pressed", sum)
	}
}

// awaits waits until something is so.
func awaits(t *testing.T, what string, limit time.Duration, is func() bool) {
	t.Helper()
	late := time.After(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-late:
			t.Fatalf("no %s within %v", what, limit)
		case <-tick.C:
		}
	}
}

// pageText is the page of the site store-1.
func pageText(t *testing.T, web string) string {
	t.Helper()
	resp, err := http.Get(fmt.Sprintf("http://%s/site/store-1?lang=en", web))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
