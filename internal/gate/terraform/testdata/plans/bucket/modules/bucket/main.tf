variable "name" {
  type = string
}

variable "acl" {
  type = string
}

resource "terraform_data" "bucket" {
  input = {
    name = var.name
    acl  = var.acl
    tags = { owner = "shop" }
  }
}

output "name" {
  value = terraform_data.bucket.output.name
}
