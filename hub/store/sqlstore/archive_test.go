package sqlstore_test

import (
	"testing"

	"sourire/hub/store/storetest"
)

func TestStore_archive(t *testing.T) {
	storetest.Archive(t, create)
}
