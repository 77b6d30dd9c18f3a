package test.labels_test

import data.test.labels

test_owner_is_wanted if {
  print("labels are", {})
  count(labels.violation) == 2 with input as {"review": {"object": {"metadata": {"labels": {}}}}}
}

test_division if 1 / 0 == 1
