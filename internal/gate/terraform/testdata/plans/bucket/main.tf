# A configuration that needs no provider to be downloaded: terraform_data is built in. It stands for two buckets and a
# database. The plans beside it were recorded from it, see record.sh.

variable "acl" {
  type    = string
  default = "public-read"
}

variable "database_size" {
  type    = number
  default = 9007199254740993
}

variable "password" {
  type      = string
  sensitive = true
}

variable "archive" {
  type    = bool
  default = true
}

module "assets" {
  source = "./modules/bucket"
  name   = "assets"
  acl    = var.acl
}

module "archive" {
  source = "./modules/bucket"
  count  = var.archive ? 1 : 0
  name   = "archive"
  acl    = "private"
}

resource "terraform_data" "database" {
  input = {
    size     = var.database_size
    ratio    = 1.10
    password = var.password
  }
  triggers_replace = [var.database_size]
}

output "assets" {
  value = module.assets.name
}

output "password" {
  value     = var.password
  sensitive = true
}
