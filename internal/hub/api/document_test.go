package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write web/openapi.json")

// documentFile is what the types of the web UI are made from.
const documentFile = "../../../web/openapi.json"

func TestTheDocumentOfTheUIIsCurrent(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Version = "dev" })
	answer := b.get(t, anonymous, documentPath)
	if answer.status != http.StatusOK {
		t.Fatal(answer.status, answer.body)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, []byte(answer.body), "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	if *update {
		if err := os.WriteFile(documentFile, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(documentFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Error("web/openapi.json is not what the hub says: run go generate ./internal/hub/api")
	}
}
