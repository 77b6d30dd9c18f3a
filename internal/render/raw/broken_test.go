package raw

import "testing"

func TestABrokenDocumentAmongObjectsIsAProblemWhateverItMentions(t *testing.T) {
	const broken = "foo: [\n"
	if _, problems := Parse("ci.yaml", []byte(broken)); len(problems) != 1 || !problems[0].Warning {
		t.Errorf("alone: %+v", problems)
	}
	objects, problems := Parse("app.yaml", []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n"+broken))
	if len(objects) != 1 || len(problems) != 1 || problems[0].Warning || problems[0].Location.Line < 4 {
		t.Errorf("in a manifest: %d objects, %+v", len(objects), problems)
	}
}
