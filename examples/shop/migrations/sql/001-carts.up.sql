CREATE TABLE carts (id bigint PRIMARY KEY, customer text NOT NULL);
