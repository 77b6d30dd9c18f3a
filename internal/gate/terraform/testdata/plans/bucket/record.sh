#!/bin/sh
# Records the plans beside this script. Recorded with OpenTofu v1.12.6 on linux_amd64.
#
#   TOFU=path/to/tofu ./record.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$here/main.tf" "$here/modules" "$work"
cd "$work"
export TF_VAR_password=not-a-real-password
# Whatever the person who records has configured plays no part.
: >tofu.rc
export TF_CLI_CONFIG_FILE="$work/tofu.rc"
tofu=${TOFU:-tofu}
$tofu init -input=false >/dev/null

# Everything is new.
$tofu plan -input=false -out=create.plan >/dev/null
$tofu show -json create.plan >"$here/create.json"
$tofu apply -input=false create.plan >/dev/null

# Nothing changes.
$tofu plan -input=false -out=same.plan >/dev/null
$tofu show -json same.plan >"$here/same.json"

# A bucket is changed in place, the other goes, the database is replaced.
$tofu plan -input=false -out=change.plan -var acl=private -var archive=false -var database_size=20 >/dev/null
$tofu show -json change.plan >"$here/change.json"

# Everything goes.
$tofu plan -input=false -destroy -out=destroy.plan >/dev/null
$tofu show -json destroy.plan >"$here/destroy.json"
