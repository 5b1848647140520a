module shop/web

go 1.26
