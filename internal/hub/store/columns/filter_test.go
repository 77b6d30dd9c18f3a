package columns

import "testing"

func TestStridesComeToEachPlace(t *testing.T) {
	for n := 1; n < 300; n++ {
		seen := make([]bool, n)
		for i, c := 0, n-1; i < n; i, c = i+1, (c+strideOf(n))%n {
			if seen[c] {
				t.Fatalf("of %d, %d comes twice", n, c)
			}
			seen[c] = true
		}
	}
}
