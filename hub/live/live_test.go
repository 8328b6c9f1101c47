package live_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"sourire/hub/live"
	"sourire/internal/feedback"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBoard_slowReaderHearsMergedNews(t *testing.T) {
	b := live.New(0)
	defer b.Close()
	news, ok := b.Subscribe(t.Context())
	if !ok {
		t.Fatal("refused")
	}
	at := time.UnixMilli(1_000_000)
	for i := range 10 {
		b.Publish(live.News{Sites: []feedback.SiteID{feedback.SiteID(fmt.Sprintf("s%d", i%3))}, At: at.Add(time.Duration(i))})
	}
	n := <-news
	if len(n.Sites) != 3 || !n.At.Equal(at.Add(9)) || !n.Of("s2") || n.Of("s3") {
		t.Errorf("got %+v", n)
	}
	for i := range 100 {
		b.Publish(live.News{Sites: []feedback.SiteID{feedback.SiteID(fmt.Sprintf("s%d", i))}})
	}
	if n := <-news; len(n.Sites) != 0 || !n.Of("anything") {
		t.Errorf("got %d sites, want news about any", len(n.Sites))
	}
}

func TestBoard_endsWithItsContextAndItsClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := live.New(2)
		ctx, cancel := context.WithCancel(t.Context())
		first, _ := b.Subscribe(ctx)
		second, _ := b.Subscribe(t.Context())
		if _, ok := b.Subscribe(t.Context()); ok {
			t.Error("a third of two readers was taken")
		}
		cancel()
		if _, open := <-first; open {
			t.Error("news after the end")
		}
		synctest.Wait()
		if n := b.Readers(); n != 1 {
			t.Errorf("got %d readers, want 1", n)
		}
		b.Publish(live.News{})
		b.Close()
		if _, open := <-second; !open {
			t.Error("the last news were lost")
		}
		if _, open := <-second; open {
			t.Error("news after the close")
		}
		if _, ok := b.Subscribe(t.Context()); ok {
			t.Error("a closed board took a reader")
		}
	})
}

func TestBoard_manyAtOnce(t *testing.T) {
	b := live.New(0)
	var wg sync.WaitGroup
	for range 8 {
		news, _ := b.Subscribe(t.Context())
		wg.Go(func() {
			for range news {
			}
		})
		wg.Go(func() {
			for range 500 {
				b.Publish(live.News{At: time.UnixMilli(1)})
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	news, _ := b.Subscribe(ctx)
	cancel()
	for range news {
	}
	b.Close()
	wg.Wait()
}
