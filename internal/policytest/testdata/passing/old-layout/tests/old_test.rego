package test.old

test_bad_image {
  count(violation) == 1 with input as {"parameters": {"image": "bad"}, "review": {"object": {"spec": {"template": {"spec": {"containers": [{"image": "bad"}]}}}}}}
}

test_good_image {
  count(violation) == 0 with input as {"parameters": {"image": "bad"}, "review": {"object": {"spec": {"template": {"spec": {"containers": [{"image": "good"}]}}}}}}
}

todo_test_later {
  false
}
