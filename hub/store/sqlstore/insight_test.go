package sqlstore_test

import (
	"context"
	"path/filepath"
	"testing"

	"sourire/hub/store/sqlstore"
	"sourire/hub/store/storetest"
)

func TestStore_insight(t *testing.T) {
	storetest.Insight(t, func(t *testing.T) storetest.InsightStore {
		s, err := sqlstore.Open(context.Background(), filepath.Join(t.TempDir(), "hub.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	})
}
