package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"sourire/internal/browsertest"
)

// A manager has the page open while visitors press: life shows within a second
// of a press, the score after five.
func TestPage_life(t *testing.T) {
	set := hubSettings(t)
	hub := startHub(t, set)
	now := time.Now().Truncate(time.Second).Add(-time.Hour)
	c := &calendar{boot: "boot", at: now.Add(-time.Hour), now: now}
	k := offlineKiosk(t, t.TempDir(), c, stay{site: "store-1", touchpoint: "exit", scale: "smiley3"}, hub.BrokerAddr())
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(running) }()
	defer func() { stop(); <-ended }()
	// Visitors come ten seconds apart.
	press := func() {
		t.Helper()
		c.set(c.wall().Add(10 * time.Second))
		if _, err := k.Press(context.Background(), 2); err != nil {
			t.Fatal(err)
		}
	}
	press()
	settled(t, k)

	ctx := browsertest.Start(t)
	page := fmt.Sprintf("http://%s/site/store-1?lang=en", hub.WebAddr())
	if err := chromedp.Do(ctx, chromedp.Navigate(page),
		chromedp.WaitVisible(`#link[data-state="live"]`), chromedp.WaitReady(`data#stored[value="1"]`)); err != nil {
		t.Fatal(err)
	}
	count := chromedp.Evaluate[int](`document.querySelectorAll(".score data[value]").length`)
	quickest := time.Hour
	for n := 2; n <= 4; n++ {
		began := time.Now()
		press()
		if err := chromedp.Do(ctx, chromedp.WaitReady(fmt.Sprintf(`data#stored[value="%d"]`, n))); err != nil {
			t.Fatalf("press %d never showed: %v", n, err)
		}
		quickest = min(quickest, time.Since(began))
		if scores, err := chromedp.Run(ctx, count); err != nil || scores != 0 {
			t.Fatalf("the page shows a score after %d ratings: it may not before five", n)
		}
	}
	t.Logf("a press shows within %v", quickest)
	if quickest > time.Second {
		t.Errorf("life shows after %v at best, want within a second", quickest)
	}
	press()
	if err := chromedp.Do(ctx, chromedp.WaitReady(`.score data[value^="1"]`)); err != nil {
		t.Fatalf("the score did not come with the fifth rating: %v", err)
	}
}
