package terraform

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// Whatever comes, the answer is a refusal or a reply.
func FuzzHandler(f *testing.F) {
	plans, err := filepath.Glob("testdata/plans/*/*.json")
	if err != nil || len(plans) == 0 {
		f.Fatalf("%v, %v", plans, err)
	}
	for _, file := range plans {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
		f.Add([]byte(withPlan(f, string(content))))
	}
	f.Add([]byte(`{"kind":"Terraform","metadata":[],"status":{"tfplan":{"resource_changes":[null,{"change":{"after":{"input":{"acl":7}}}}]}}}`))
	f.Add([]byte(`{"format_version":"1","status":{"tfplan":1},"metadata":"x"}`))
	f.Add([]byte(`{"kind":"Secret","apiVersion":"v1","data":{}}`))
	o := options(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		w := post(o, string(body))
		switch w.Code {
		case http.StatusBadRequest:
		case http.StatusOK:
			var got reply
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatalf("%v: %s", err, w.Body)
			}
			enforced := false
			for _, v := range got.Violations {
				enforced = enforced || v.Enforced
				if v.Entity.Manifest["status"] != nil {
					t.Errorf("the reply shows status: %v", v.Entity.Manifest)
				}
			}
			if got.Passed == enforced {
				t.Errorf("passed is %t: %s", got.Passed, w.Body)
			}
		default:
			t.Errorf("%d: %s", w.Code, w.Body)
		}
	})
}
