package e2e

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"sourire/internal/mosquittotest"
)

// Roll-ups on PostgreSQL are damaged beside two hubs, and the shipped command has
// them rebuilt: the hub that ingests does it, open pages of both hear of it without
// a press, and show what they showed before.
func TestHubs_rebuild(t *testing.T) {
	t.Parallel()
	c := newCrew(t, mosquittotest.Start(t, mosquittotest.Options{}).URL())
	c.program, _ = buildPrograms(t)
	a := c.start("a")
	saysWithin(t, a.web, ingests, takeOverWithin)
	b := c.start("b")
	saysWithin(t, b.web, waits, takeOverWithin)
	kiosks := c.burst(3, 6000)
	kiosks.goesOn(30)
	kiosks.settle()
	pressed := c.agree().Stored
	shows := func(want int64) {
		t.Helper()
		for _, m := range []*member{a, b} {
			if got := pageNumber(t, m.web, "stored"); got != want {
				t.Errorf("the page of hub %s says %d stored, want %d", m.name, got, want)
			}
		}
	}
	shows(pressed)
	c.server.Exec(c.database, "UPDATE cell SET s1 = s1 + 50, presses = presses + 50; UPDATE day SET s1 = s1 + 70, presses = presses + 70")
	if got := pageNumber(t, a.web, "stored"); got == pressed {
		t.Fatal("the page does not show the damage: this test sees nothing")
	}
	pages := []*listener{listen(t, a.web, "store-1"), listen(t, b.web, "store-1")}
	began := time.Now()
	out, err := exec.Command(c.program, "rebuild", "--data", c.path("elsewhere"), "--store.postgres", c.database).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "derived anew; sourire-hub verify proves it") {
		t.Fatalf("rebuild: %v\n%s", err, out)
	}
	for _, page := range pages {
		page.hears(t, "life", began)
	}
	shows(pressed)
	c.agree()
	out, err = exec.Command(c.program, "verify", "--data", c.path("elsewhere"), "--store.postgres", c.database).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "roll-ups equal a recount") {
		t.Errorf("verify: %v\n%s", err, out)
	}
}
