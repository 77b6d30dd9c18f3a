package test.labels

violation contains {"msg": "another version of the code"} if true
